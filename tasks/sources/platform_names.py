"""What agent platforms, evaluation sets and chat exports call the answer, the question and the evidence.

Belongs here: names as programs spell them, and names of what is never the answer. Does not belong here: words
of people's own columns (`column_names.py`), and whether values fit (`mapping.py`).
"""

from __future__ import annotations

import re

_TALK = r"(^|\.)(messages|conversations?|chat|transcript|turns|dialog(ue)?|(\w+_)?history|contents)$"

# Best first, matched against the whole dotted path in lower case. Evidence comes first: nothing within it can
# be the answer. The conversation comes before the id: taken for one, its answers would supersede one another.
NAMES: dict[str, tuple[str, ...]] = {
    "contexts": (
        r"(^|\.)(contexts?|documents|docs|passages|sources|retrieved|retrieved_?\w+|retrieval|retrieval_?context"
        r"|evidence|chunks|snippets|search_?results|references|source_?(documents|nodes)|retriever_?resources"
        r"|reference_?documents|supporting_?facts|kb_?\w+|knowledge(_\w+)?)$",
    ),
    "session_id": (r"(^|\.)(session|conversation|thread|chat)[_.]id$",),
    "id": (
        r"^(trace\.id|trace_id|run_id|id|uuid)$",
        r"(^|\.)(trace_id|span_id|request_id|message_id|id|uuid)$",
    ),
    "response": (
        r"(^|\.)(response|answer|completion|output_text|final_answer)(\.(text|content|value))?$",
        r"(^|\.)outputs?(\.(text|content|value|answer|response))?$",
        r"choices\.0\.message\.content$",
        r"(^|\.)(generation|reply)(\.(text|content))?$",
        r"(^|\.)(actual|model|bot|agent|assistant|llm|ai)_?(output|answer|response|reply|message|msg|text|txt)$",
        r"(^|\.)answers\.0\.(answer|text|content)$",
        r"^content$",
        _TALK,
    ),
    "prompt": (
        r"(^|\.)(prompt|question|query|user_input)(\.(text|content|value))?$",
        r"(^|\.)inputs?(\.(text|content|value|question|query|prompt))?$",
        _TALK,
    ),
    "produced_at": (
        r"(^|\.)(produced_at|timestamp|created_at|created|start_time|time|date|ts)$",
        r"(^|\.)(end_time|request_time|ended_at|updated_at)$",
    ),
    "delivered_at": (
        r"(^|\.)(delivered_at|delivery_time|delivered_on|sent_at|released_at|shown_at|sent_to_(user|customer)_at)$",
    ),
    "delivered": (r"(^|\.)(is_)?(delivered|sent_to_user|sent_to_customer)$",),
    "action_taken": (r"(^|\.)action_taken$",),
    "agent": (r"(^|\.)((agent|bot|assistant|app)([_.]name)?|service\.name)$",),
    "model": (r"(^|\.)(model|model_name|provided_model_name|llm\.model_name)$",),
    "use_case": (r"(^|\.)(use_case|usecase|task|topic|category|domain|project)$",),
    "tools": (r"(^|\.)(tools|tool_names|tool_call_names|tools_used)$",),
    "metadata": (r"^(metadata|meta|attributes|extra)$",),
}  # fmt: skip
PROSE_NAMES = {
    "contexts": r"(^|[._])(articles?|passage|background|paragraph|(source|document|page)_?text)$",
    "response": r"(^|\.)(out|result|predicted|summary|generated(_\w+)?|bot|assistant|agent|ai|llm|gpt"
    r"|\w+_(answer|response|reply|summary|prediction|output))$|^text$",
    "prompt": r"(^|\.)(in|user|human|customer|instruction|task|(user|requester|customer)_?(message|msg|prompt"
    r"|query|question|text|txt|comment|utterance|request|input))$|^(message|utterance)$",
}  # fmt: skip
"""Names that hold other things as well: enough where the values are prose."""

SYSTEM = re.compile(r"(^|[._])(system|instructions|developer)([._]|$)|system_?prompt$")
MADE = re.compile(
    r"(^|\.)((predicted|generated|model|actual|candidate)_?(answer|output|response|text|summary)|hypothesis|prediction)$"
)
"""Of two answers the one that a model gave: the other is the one to compare it with."""
GOLD = re.compile(r"(^|[._])(expected|gold|golden|ground_?truth|reference|ideal|target|label)(s?$|[._])")
"""What a person holds to be right: it was never said by the agent."""
ITEM = re.compile(r"\.0(\.|$)")
ALTERNATIVE = re.compile(
    r"(^|\.)(choices|candidates|generations|answers|outputs?|content|parts|message)\.0(\.|$)"
)
