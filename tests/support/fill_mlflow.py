"""Fills an MLflow server with real traces; run by the environment that the server is in.

`python fill_mlflow.py URL FIRST COUNT` writes so many traces of four spans into the experiment `support`.
"""

import sys

import mlflow
from mlflow.entities import SpanType


def main(url: str, first: int, count: int) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("support")
    for number in range(first, first + count):
        with mlflow.start_span("agent", span_type=SpanType.AGENT) as root:
            root.set_inputs({"question": f"Who runs {number}?"})
            with mlflow.start_span("find", span_type=SpanType.RETRIEVER) as span:
                span.set_inputs({"query": "who"})
                document = {
                    "page_content": f"Fact {number}.",
                    "metadata": {"doc_uri": f"kb://{number}"},
                    "id": "1",
                }
                span.set_outputs([document])
            with mlflow.start_span("look", span_type=SpanType.TOOL) as span:
                span.set_outputs({"answer": 42})
            with mlflow.start_span("call", span_type=SpanType.CHAT_MODEL) as span:
                span.set_attribute("mlflow.llm.model", "m-1")
                span.set_inputs({"messages": [{"role": "user", "content": f"Who runs {number}?"}]})
                message = {"role": "assistant", "content": f"The board {number}."}
                span.set_outputs({"choices": [{"message": message}]})
            root.set_outputs(f"The board {number}.")
            mlflow.update_current_trace(metadata={"mlflow.trace.session": f"s{number % 3}"})
    mlflow.flush_trace_async_logging()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
