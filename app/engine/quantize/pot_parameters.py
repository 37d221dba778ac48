"""The parameters of POT 2022.3: what each means here, or why it has no effect."""

from __future__ import annotations

from app.engine.quantize.recipe import Preset

DEFAULT, ACCURACY_AWARE = "DefaultQuantization", "AccuracyAwareQuantization"
OTHER_ALGORITHMS = (
    "ActivationChannelAlignment", "BaseWeightSparsity", "BiasCorrection", "DataFreeQuantization", "FastBiasCorrection",
    "MagnitudeSparsity", "MinMaxQuantization", "OverflowCorrection", "ParamsTuningSearch", "RangeOptimization", "Ranger",
    "TunableQuantization", "WeightSparsity",
)  # fmt: skip
PRESETS: dict[str, Preset] = {
    "performance": "performance", "symmetric": "performance", "mixed": "mixed", "accuracy": "mixed", "asymmetric": "mixed",
}  # fmt: skip
"""With the aliases of POT for CPUs."""
DEVICES = ("ANY", "CPU", "GPU", "VPU", "NPU", "GNA", "GNA3")
OF_TUNING = "of the layer-wise tuning, which the rounding of weights stands for"
NO_EFFECT_FILE = {
    "model": "the model is the one that is optimized",
    "engine": "samples, labels and preprocessing are those that were given",
    "optimizer": "there is no search over algorithms",
}
NO_EFFECT_COMPRESSION = {
    "model_type": "attention blocks are recognised by themselves",
    "dump_intermediate_model": "only the result is kept",
    "inplace_statistics": "statistics are always gathered while samples pass",
    "inplase_statistics": "statistics are always gathered while samples pass",
}
NO_EFFECT_DEFAULT = {
    "stat_batch_size": "samples are read in the batch of the model",
    "shuffle_data": "calibration samples are always drawn by the seed",
    "inplace_statistics": "statistics are always gathered while samples pass",
    "use_layerwise_tuning": "weights are rounded with the second moments of their input instead",
    "apply_for_all_nodes": "biases are corrected where that lowers the error",
    "threshold": "biases are corrected where that lowers the error",
    **dict.fromkeys(
        ("num_samples_for_tuning", "batch_size", "optimizer", "loss", "tuning_iterations", "random_seed", "use_ranking_subset",
         "calibration_indices_pool", "calculate_grads_on_loss_increase_only", "weight_decay"), OF_TUNING,
    ),
}  # fmt: skip
NO_EFFECT_ACCURACY_AWARE = {
    "metric_subset_ratio": "every trial is compared on the whole validation set",
    "ranking_subset_size": "layers are ranked by the noise that each makes on calibration samples",
    "max_iter_num": "the search ends by itself after a few trials",
    "use_prev_if_drop_increase": "the best trial so far is always kept",
    "metrics": "the drop is one of top-1, or of the agreement with FP32 without labels",
    "annotation_free": "a dataset without labels is judged by its agreement with FP32",
    "annotation_conf_threshold": "all samples are judged",
    "convert_to_mixed_preset": "the preset is used as it is given",
    "tune_hyperparams": "candidates are compared on held-out calibration samples anyway",
}
USED = ("preset", "stat_subset_size", "seed", "ignored", "weights", "activations", "range_estimator", "use_fast_bias",
        "bias_correction", "saturation_fix")  # fmt: skip
USED_ACCURACY_AWARE = ("maximal_drop", "drop_type", "base_algorithm")
TYPES = {
    "Convolution": ("Conv",), "GroupConvolution": ("Conv",), "ConvolutionBackpropData": ("ConvTranspose",),
    "GroupConvolutionBackpropData": ("ConvTranspose",), "MatMul": ("MatMul", "Gemm"), "FullyConnected": ("Gemm",),
    "Multiply": ("Mul",), "Subtract": ("Sub",), "Divide": ("Div",), "Maximum": ("Max",), "Minimum": ("Min",), "Power": ("Pow",),
    "AvgPool": ("AveragePool", "GlobalAveragePool"), "ReLU": ("Relu",), "PReLU": ("PRelu",), "Clamp": ("Clip",),
    "HSwish": ("HardSwish",), "HSigmoid": ("HardSigmoid",), "SoftMax": ("Softmax",), "Interpolate": ("Resize",),
    "LSTMCell": ("LSTM",), "LSTMSequence": ("LSTM",), "GRUCell": ("GRU",), "GRUSequence": ("GRU",), "Broadcast": ("Expand",),
    "MVN": ("InstanceNormalization", "MeanVarianceNormalization"), "VariadicSplit": ("Split",), "StridedSlice": ("Slice",),
}  # fmt: skip
"""Operation types of OpenVINO whose name in ONNX is another one."""
