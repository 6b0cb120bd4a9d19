"""Keys, tokens and passwords: by the shapes their makers gave them, and by the words before them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from tasks.privacy.outline import Finding

_MIXED = (
    r"sk-|[gp]sk_|xai-|pcsk_|lsv2_(?:pt|sk)_|ls__|csk-|pplx-|nvapi-|tvly-|fc-|llx-|jina_|r8_|fw_"
    r"|e2b_|tgp_v1_|opk_|esecret_|api_org_|ABSK|bedrock-api-key-|AQ\.|AQVN|wandb_v1_|rpa_|sess-"
    r"|phx_|glsa_|glc_|hvs\.|dckr_(?:pat|oat)_|sntry[su]_|shp(?:at|ca|pa|ss)_|figd_|lin_api_|ntn_|secret_"
    r"|sb[pb]_|sb_secret_|pscale_(?:tkn|pw)_|napi_|CCDB1_|dbt[cu]_|pn[ub]_"
    r"|tskey-|AT(?:ATT3x|CTT3x|BB)|GOCSPX-|dapi|ya29\.|rnd_|apify_api_|xkeysib-|xsmtpsib-|PMAK-|rubygems_"
    r"|do[opr]_v1_|HRKU-AA|nf[pcbo]_|vc[pkira]_|NRAK-|dp\.(?:pt|st|sa|ct|scim|audit)\.|AGE-SECRET-KEY-1"
    r"|EZ[AT]K|fo1_|fm[12]_|ops_eyJ|CFPAT-|sgp_|tfp_|rdme_|pul-|CCIPAT_|bk[ua]a_|ico-|EAAA|EAAC|sq0(?:csp|atp|idp)-"
    r"|gl(?:pat|dt|rt|ptt|cbt|ft|soat|agent|imt|oas|rtr)-"
)
"""How keys begin whose rest is letters, digits, hyphens and underscores, as makers document them: OpenAI,
Anthropic, Langfuse, OpenRouter and others (`sk-`), Groq, xAI, Pinecone, LangSmith, Cerebras, Perplexity,
NVIDIA, Tavily, Firecrawl, LlamaCloud, Jina, Replicate, Fireworks, E2B, Together, Amazon Bedrock, Google,
Yandex, Weights & Biases, RunPod, and services around them."""
_EXACT = (
    r"(?:ak|as)-[A-Za-z0-9]{22}|pa-[A-Za-z0-9_-]{43}|key-[0-9a-f]{32}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"
    r"|SK[0-9a-f]{32}|AVNS_[A-Za-z0-9_-]{15,30}|sk_[0-9a-f]{48}|[0-9a-f]{32}-us[0-9]{1,2}|AKID[A-Za-z0-9]{32}|LTAI[A-Za-z0-9]{12,20}"
    r"|SCW[A-Z0-9]{17}|[A-Za-z0-9]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"
    r"|pat\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,70}"
    r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}|[MNO][A-Za-z0-9]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"
    r"|v1\.0-[0-9a-f]{24}-[0-9a-f]{146}|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"
    r"|sk\.eyJ[A-Za-z0-9_-]{20,300}\.[A-Za-z0-9_-]{22}|A{20}[A-Za-z0-9%]{40,120}"
)
"""Keys of a fixed length, whose beginnings ordinary words have too: Modal, Voyage, Mailgun, Resend, Twilio,
ElevenLabs, Mailchimp, Aiven, Tencent, Alibaba, Scaleway, Azure, Airtable, Harness, Terraform, Telegram,
Discord, Cloudflare, PayPal, Mapbox, X."""
_RANDOM_PART = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]+")
_RANDOM_SHARE = 12
"""Characters of a key in runs of letters and digits mixed; words joined by hyphens have fewer."""
_PREFIXED = 9
"""Characters that a prefix has at most; where the first hyphen comes later, it is the key's own."""
_TURNS = re.compile(r"[a-z0-9](?=[A-Z])|[A-Z](?=[0-9])")
"""Capitals inside of words: four are no name."""

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?P<aws>(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16})"
    r"|(?P<github>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"
    r"|(?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250})"
    rf"|(?P<mixed>(?:{_MIXED})[A-Za-z0-9_.-]{{19,600}}[A-Za-z0-9_-]={{0,2}})"
    r"|(?P<stripe>(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/]{24,100})"
    r"|(?P<google>AIza[A-Za-z0-9_-]{35})"
    rf"|(?P<exact>{_EXACT})"
    r"|(?P<hub>(?:npm|hf)_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{50,300})"
    r"|(?P<sendgrid>SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64})"
    r"|(?P<jwt>eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{8,2000})"
    r")(?![A-Za-z0-9])"
)
_LONG = re.compile(r"[A-Za-z0-9_.+/=$~:%-]{19,}")
"""Runs of characters of keys: the shortest has twenty."""
_PREFIX = re.compile(
    r"AKIA|ASIA|AROA|AIDA|AGPA|ANPA|lsv2_(?:pt|sk)_|sk-(?:lf|proj|ant|or|svcacct|admin)-"
    r"|[A-Za-z]{2,6}_(?:live_|test_|pat_|v1_)?|[A-Za-z]{2,5}-|AIza|SG\.|eyJ|ABSK|AKID|LTAI"
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
_CAPABILITY = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/(?=T)|discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/"
    r"|[?&](?:sig|X-Amz-Signature)=|\bSSWS |\bFlyV1 )(?P<value>[A-Za-z0-9_%+/=,-]{30,600})"
)
"""Addresses and headers whose holder may act: webhooks of Slack and Discord, signed links of Azure and Amazon
S3, Okta, Fly.io."""
_CAPABLE = ("hooks.slack.com/", "/webhooks/", "sig=", "X-Amz-Signature=", "SSWS ", "FlyV1 ")
_NAMES = ("key", "secret", "token", "credential", "passw", "passphrase", "pwd", "bearer")
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
    head, _, tail = re.sub(r"[_.]", "-", key).partition("-")
    rest = tail if len(head) <= _PREFIXED else key
    return sum(map(len, _RANDOM_PART.findall(rest))) >= _RANDOM_SHARE or len(_TURNS.findall(rest)) >= 4


def secrets(text: str) -> Iterator[Finding]:
    """Keys, tokens and passwords of a text; kinds of them may overlap.

    Plain searches come before each pattern, which takes a hundred times as long.
    """
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            piece = match.group().rstrip()
            yield Finding(match.start(), match.start() + len(piece), "-----BEGIN PRIVATE KEY----- ***", 0.99)
    for run in _LONG.finditer(text):
        yield from _tokens(text, *run.span())
    if any(mark in text for mark in _CAPABLE):
        for match in _CAPABILITY.finditer(text):
            if not _PLACEHOLDER.search(match.group("value")):
                yield Finding(*match.span("value"), "***", 0.9)
    lower = text.lower()
    if any(word in lower for word in _NAMES):
        for match in _ASSIGNED.finditer(text):
            value = match.group("value").rstrip(".!?:")
            if len(value) >= 8 and not _PLACEHOLDER.search(value) and _is_random(value, match.group("name")):
                yield Finding(match.start("value"), match.start("value") + len(value), "***", 0.75)
    if "://" in text:
        for match in _IN_URL.finditer(text):
            value = match.group("value")
            if not _PLACEHOLDER.search(value) and value.lower() not in ("password", "pass"):
                yield Finding(*match.span("value"), "***", 0.85)


def _tokens(text: str, start: int, end: int) -> Iterator[Finding]:
    """Keys by their beginnings in a run of characters that keys are made of."""
    for match in _TOKENS.finditer(text, start, end):
        prefix = _PREFIX.match(match.group())
        if match.lastgroup == "mixed" and not _is_mixed(match.group()):
            continue  # `sk-` opens words joined by hyphens too
        if not _PLACEHOLDER.search(match.group()) or match.lastgroup in ("jwt", "aws"):
            yield Finding(*match.span(), (prefix.group() if prefix else "") + "***", 0.95)


_WORDS = r"(?:key|secret|token|credential|passwd|password|passphrase|pwd|bearer)"
SCREEN = (
    rf"(?i-u:{_WORDS}[a-z0-9_-]{{0,24}}[\"'`]?(?:[ \t\r\n]{{0,3}}[:=]|[ \t\r\n]is|[ "
    rf"\t\r\n][a-z0-9._~+/-]{{24}}))"
    rf"|(?i-u:{_WORDS}[a-z0-9_-]{{0,24}}[\"'`]?)[\x{{a0}}\x{{202f}}]"
    r"|PRIVATE KEY|://[^\s/]{1,200}@|pat[A-Za-z0-9]{14}\.|[MNO][A-Za-z0-9]{23,27}\.[A-Za-z0-9_-]{6}\."
)
"""Words before keys, and shapes without a mark of their own."""
LITERALS = tuple(
    """
    AKIA ASIA AROA AIDA AGPA ANPA ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ xox xapp- sk- sk_ rk_ whsec_
    AIza npm_ hf_ pypi- SG. eyJ hooks.slack.com/ /api/webhooks/ sig= X-Amz-Signature= SSWS FlyV1
    gsk_ psk_ xai- pcsk_ lsv2_ ls__ csk- pplx- nvapi- tvly- fc- llx- jina_ r8_ fw_ e2b_ tgp_v1_ opk_
    api_org_ ABSK bedrock-api-key- AQ. AQVN wandb_v1_ rpa_ sess- phx_ glsa_ glc_ hvs. dckr_ sntry
    shpat_ shpca_ shppa_ shpss_ esecret_ secret_ apify_api_ figd_ lin_api_ ntn_ sbp_ sbb_ sb_secret_
    pscale_ napi_ AVNS_ CCDB1_ dbtc_ dbtu_ pnu_ pnb_ tskey- ATATT3x ATCTT3x ATBB GOCSPX- dapi ya29.
    rnd_ xkeysib- xsmtpsib- PMAK- rubygems_ doo_v1_ dor_v1_ dop_v1_ HRKU-AA nfp_ nfc_ nfb_ nfo_ vcp_
    vck_ vci_ vcr_ vca_ NRAK- dp.pt. dp.st. dp.sa. dp.ct. dp.scim. dp.audit. AGE-SECRET EZAK EZTK
    fo1_ fm1_ fm2_ ops_eyJ CFPAT- sgp_ tfp_ rdme_ pul- CCIPAT_ bkua_ bkaa_ ico- EAAA EAAC sq0csp-
    sq0atp- sq0idp- glpat- gldt- glrt- glptt- glcbt- glft- glsoat- glagent- glimt- gloas- glrtr- ak-
    as- pa- re_ SK0 SK1 SK2 SK3 SK4 SK5 SK6 SK7 SK8 SK9 SKa SKb SKc SKd SKe SKf -us1 -us2 -us3 -us4
    -us5 -us6 -us7 -us8 -us9 key- AKID LTAI SCW Q~ pat. .atlasv1. :AA v1.0- access_token$ sk.
    AAAAAAAA
    """.split()  # noqa: SIM905
)
"""Of these, every other key has one; each is looked for as it is written."""
SHAPES = (
    r"AKIA|ASIA|AROA|AIDA|AGPA|ANPA|gh[pousr]_|github_pat_|xox[abeoprs]-|xapp-|rk_|whsec_|AIza|npm_|hf_|pypi-"
    rf"|SG\.|eyJ|(?:{_MIXED})[A-Za-z0-9_.-]{{19}}|(?:{_EXACT})|sk_(?:live|test)_"
    r"|hooks\.slack\.com/|/api/webhooks/|[?&](?:sig|X-Amz-Signature)=|SSWS |FlyV1 "
)
"""How keys look that begin so."""
