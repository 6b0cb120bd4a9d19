"""Door to ONNX Runtime and OpenVINO: forward passes of exported models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.errors import ModelError


class OnnxPairs:
    """Forward passes in ONNX Runtime, for instance of int8 weights."""

    def __init__(self, file: Path, *, threads: int = 0, device: str = "cpu") -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ModelError(
                f"{file}: loading it needs ONNX Runtime, which is not installed; "
                "pip install 'claimledger[onnx]', or set verifier.backend to torch"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        providers = ["CUDAExecutionProvider"] if device == "cuda" else []
        providers.append("CPUExecutionProvider")
        offered = set(onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(
                str(file),
                options,
                providers=[name for name in providers if name in offered],
            )
        except Exception as error:  # noqa: BLE001 - the runtime raises a dozen types of its own
            raise ModelError(f"{file}: ONNX Runtime cannot load it ({type(error).__name__})") from None
        self._names = {value.name for value in self._session.get_inputs()}

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        return np.asarray(self._session.run(None, _inputs(self._names, ids, mask, types))[0], np.float64)


class OpenVinoPairs:
    """Forward passes in OpenVINO, which the user has installed."""

    def __init__(self, file: Path, *, kernel: str, threads: int = 0) -> None:
        try:
            import openvino
        except ImportError:
            raise ModelError(
                f"{file}: loading it needs OpenVINO, which is not installed; pip install openvino, or set "
                "verifier.backend to torch or onnx"
            ) from None
        # Left to itself it takes bfloat16 where the processor has it, whatever the settings say.
        options: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": "bf16" if kernel == "bfloat16" else "f32",
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }
        try:
            self._model = openvino.Core().compile_model(str(file), "CPU", options)
        except Exception as error:  # noqa: BLE001 - the runtime raises types of its own
            raise ModelError(f"{file}: OpenVINO cannot load it ({type(error).__name__})") from None
        self._names = {port.any_name for port in self._model.inputs}

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Logits of one batch."""
        return np.asarray(self._model(_inputs(self._names, ids, mask, types))[0], np.float64)


def _inputs(names: set[str], ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> dict[str, np.ndarray]:
    """Those of the three arrays that the model takes."""
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: array for name, array in arrays.items() if name in names}
