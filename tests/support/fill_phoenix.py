"""Fills a Phoenix server with real OpenTelemetry spans; run by the environment that the server is in.

`python fill_phoenix.py URL FIRST COUNT` writes so many traces of four spans, numbered from FIRST, with the
names of OpenInference's own packages.
"""

import sys
import time

from openinference.semconv.resource import ResourceAttributes
from openinference.semconv.trace import DocumentAttributes, MessageAttributes, SpanAttributes
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

KIND = SpanAttributes.OPENINFERENCE_SPAN_KIND


def main(url: str, first: int, count: int) -> None:
    resource = Resource({ResourceAttributes.PROJECT_NAME: "support", "service.name": "bot"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("test")
    for number in range(first, first + count):
        question, answer = f"Who runs {number}?", f"The board {number}."
        asked = {
            KIND: "AGENT",
            SpanAttributes.INPUT_VALUE: question,
            SpanAttributes.SESSION_ID: f"s{number % 3}",
        }
        with tracer.start_as_current_span("agent", attributes=asked) as root:
            root.set_attribute(SpanAttributes.SESSION_ID, f"s{number % 3}")
            with tracer.start_as_current_span("find", attributes={KIND: "RETRIEVER"}) as span:
                prefix = f"{SpanAttributes.RETRIEVAL_DOCUMENTS}.0"
                span.set_attribute(f"{prefix}.{DocumentAttributes.DOCUMENT_CONTENT}", f"Fact {number}.")
                span.set_attribute(f"{prefix}.{DocumentAttributes.DOCUMENT_ID}", f"kb-{number}")
            tool = {KIND: "TOOL", SpanAttributes.TOOL_NAME: "look"}
            with tracer.start_as_current_span("look", attributes=tool) as span:
                span.set_attribute(SpanAttributes.OUTPUT_VALUE, "42")
            call = {KIND: "LLM", SpanAttributes.LLM_MODEL_NAME: "m-1"}
            with tracer.start_as_current_span("call", attributes=call) as span:
                prefix = f"{SpanAttributes.LLM_OUTPUT_MESSAGES}.0"
                span.set_attribute(f"{prefix}.{MessageAttributes.MESSAGE_ROLE}", "assistant")
                span.set_attribute(f"{prefix}.{MessageAttributes.MESSAGE_CONTENT}", answer)
                span.set_attribute(SpanAttributes.LLM_TOKEN_COUNT_PROMPT, 12)
            root.set_attribute(SpanAttributes.OUTPUT_VALUE, answer)
    provider.shutdown()
    time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
