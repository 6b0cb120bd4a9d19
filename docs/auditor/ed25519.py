"""Ed25519 signatures with the standard library alone: verification as in RFC 8032, section 5.1.7.

For machines without `cryptography`, whose names it takes. It only verifies, so no secret passes through it.
"""
# ruff: noqa: N806, N818, D101, D102, D103 - RFC 8032's own letters

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of minus one


class InvalidSignature(Exception): ...


def add(a, b):
    """Extended homogeneous coordinates (section 5.1.4)."""
    A, B = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    C, E = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor, point):
    result = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def encoded(point):
    z = pow(point[2], -1, P)
    x, y = point[0] * z % P, point[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decoded(data):
    """The point (section 5.1.3); InvalidSignature where there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise InvalidSignature
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


class Ed25519PublicKey:
    def __init__(self, data):
        self.data, self.point = data, decoded(data)

    @classmethod
    def from_public_bytes(cls, data):
        return cls(data)

    def verify(self, signature, message):
        """Raises InvalidSignature, or returns nothing."""
        s = int.from_bytes(signature[32:], "little")
        if len(signature) != 64 or s >= L:
            raise InvalidSignature
        digest = hashlib.sha512(signature[:32] + self.data + message).digest()
        h = int.from_bytes(digest, "little") % L
        x, y, z, t = self.point
        if encoded(add(times(s, BASE), times(h, (P - x, y, z, P - t)))) != signature[:32]:
            raise InvalidSignature
