"""Networks handed on to other programs: plain weights and ONNX, compared before they are written."""

from iqa_sr.export.exporting import ExportedNetwork, export_network
from iqa_sr.export.onnx_network import NotExportable, OnnxNetwork, onnx_network, onnx_result

__all__ = ["ExportedNetwork", "NotExportable", "OnnxNetwork", "export_network", "onnx_network", "onnx_result"]
