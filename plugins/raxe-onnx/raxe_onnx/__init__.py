"""The ONNX runtime of RAXE: models of ``requirements.runtime: onnx`` on onnxruntime."""
