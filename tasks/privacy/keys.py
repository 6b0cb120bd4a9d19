"""Keys, tokens and passwords: by the shapes their makers gave them, and by the words before them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from tasks.privacy.outline import Finding

_MIXED = (
    r"sk-|[gp]sk_|xai-|pcsk_|lsv2_(?:pt|sk)_|ls__|csk-|pplx-|nvapi-|tvly-|fc-|llx-|jina_|r8_|fw_"
    r"|e2b_|tgp_v1_|opk_|esecret_"
    r"|phx_|glsa_|hvs\.|dckr_pat_|sntry[su]_|shp(?:at|ca|pa|ss)_|figd_|lin_api_|ntn_|secret_"
    r"|sb[pb]_|sb_secret_|pscale_(?:tkn|pw)_"
    r"|tskey-|ATATT3x|GOCSPX-|dapi|ya29\.|rnd_|apify_api_"
)
"""How keys begin whose rest is letters, digits, hyphens and underscores, as makers document them: OpenAI,
Anthropic, Langfuse, OpenRouter and others (`sk-`), Groq, xAI, Pinecone, LangSmith, Cerebras, Perplexity,
NVIDIA, Tavily, Firecrawl, LlamaCloud, Jina, Replicate, Fireworks, E2B, Together, and services around them."""
_RANDOM_PART = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]+")
_RANDOM_SHARE = 12
"""Characters of a key in runs of letters and digits mixed; words joined by hyphens have fewer."""

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?P<aws>(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16})"
    r"|(?P<github>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"
    r"|(?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250})"
    rf"|(?P<mixed>(?:{_MIXED})[A-Za-z0-9_-]{{20,300}})"
    r"|(?P<stripe>(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/]{24,100})"
    r"|(?P<google>AIza[A-Za-z0-9_-]{35})"
    r"|(?P<gitlab>glpat-[A-Za-z0-9_-]{20,64})"
    r"|(?P<hub>(?:npm|hf)_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{50,300}|dop_v1_[a-f0-9]{64})"
    r"|(?P<sendgrid>SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64})"
    r"|(?P<jwt>eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{8,2000})"
    r")(?![A-Za-z0-9])"
)
_PREFIX = re.compile(
    r"AKIA|ASIA|AROA|AIDA|AGPA|ANPA|lsv2_(?:pt|sk)_|sk-(?:lf|proj|ant|or|svcacct|admin)-"
    r"|[A-Za-z]{2,6}_(?:live_|test_|pat_|v1_)?|[A-Za-z]{2,5}-|AIza|SG\.|eyJ"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.]{0,20000})"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
_ASSIGNED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?P<name>(?:api|access|secret|private|signing|encryption|account)[_ -]?key"
    r"|secret|token|credential"
    r"|passw(?:or)?d|passphrase|pwd|bearer)[\w-]{0,24}[\"'`]?(?:\s{0,3}(?:=>|:=|[:=])\s{0,3}|\sis:?\s"
    r"|\s(?=[A-Za-z0-9._~+/-]{24}))"
    r"[\"'`]?(?P<value>[^\s\"'`<>,;()\[\]{}]{8,200})"
)
_IN_URL = re.compile(
    r"(?<![A-Za-z0-9])[a-z][a-z0-9+]{1,15}://[^\s:/@]{1,64}:(?P<value>[^\s:/@]{3,100})@[\w.-]"
)
_PLACEHOLDER = re.compile(
    r"(?i)your|example|sample|dummy|placeholder|change_?me|redacted|x{4}|\*{3}|\.{3}|…|env[.(]|environ"
    r"|getenv|\$[{(]|^\$|%\w+%|todo|insert|https?:"
)
_ENTROPY = 3.2
"""Bits a character: random hex of 20 characters or more has 3.3 to 3.9, English words under 3.2."""


def _entropy(value: str) -> float:
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


def _is_random(value: str, name: str) -> bool:
    kinds = sum(
        any(test(character) for character in value)
        for test in (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    )
    if name.lower().startswith(("pass", "pwd")):
        return kinds >= 3 or (kinds == 2 and any(map(str.isdigit, value)) and len(value) >= 10)
    has_digits = sum(map(str.isdigit, value)) >= 2
    return len(value) >= 16 and kinds >= 2 and has_digits and _entropy(value) >= _ENTROPY


def _is_mixed(key: str) -> bool:
    return sum(map(len, _RANDOM_PART.findall(re.split(r"[-_.]", key, maxsplit=1)[-1]))) >= _RANDOM_SHARE


def secrets(text: str) -> Iterator[Finding]:
    """Keys, tokens and passwords of a text; kinds of them may overlap."""
    for match in _PRIVATE_KEY.finditer(text):
        piece = match.group().rstrip()
        yield Finding(match.start(), match.start() + len(piece), "-----BEGIN PRIVATE KEY----- ***", 0.99)
    for match in _TOKENS.finditer(text):
        prefix = _PREFIX.match(match.group())
        if match.lastgroup == "mixed" and not _is_mixed(match.group()):
            continue  # `sk-` opens words joined by hyphens too
        if not _PLACEHOLDER.search(match.group()) or match.lastgroup in ("jwt", "aws"):
            yield Finding(*match.span(), (prefix.group() if prefix else "") + "***", 0.95)
    for match in _ASSIGNED.finditer(text):
        value = match.group("value").rstrip(".!?:")
        if len(value) >= 8 and not _PLACEHOLDER.search(value) and _is_random(value, match.group("name")):
            yield Finding(match.start("value"), match.start("value") + len(value), "***", 0.75)
    for match in _IN_URL.finditer(text):
        value = match.group("value")
        if not _PLACEHOLDER.search(value) and value.lower() not in ("password", "pass"):
            yield Finding(*match.span("value"), "***", 0.85)


_WORDS = r"(?:key|secret|token|credential|passwd|password|passphrase|pwd|bearer)"
SCREEN = (
    r"AKIA|ASIA|AROA|AIDA|AGPA|ANPA|gh[pousr]_|github_pat_|xox[abeoprs]-|xapp-|[rs]k_|whsec_|AIza"
    r"|glpat-|npm_|hf_"
    rf"|pypi-|dop_v1_|SG\.|eyJ|PRIVATE KEY|(?:{_MIXED})[A-Za-z0-9_-]{{20}}"
    rf"|(?i-u:{_WORDS}[a-z0-9_-]{{0,24}}[\"'`]?(?:[ \t\r\n]{{0,3}}[:=]|[ \t\r\n]is|[ "
    rf"\t\r\n][a-z0-9._~+/-]{{24}}))"
    rf"|(?i-u:{_WORDS}[a-z0-9_-]{{0,24}}[\"'`]?)[\x{{a0}}\x{{202f}}]"
    r"|://[^\s/]{1,200}@"
)
