"""A convolutional network as the vision tower of a LLaVA model. It is registered with transformers' Auto classes, so a
folder with `vision_config.model_type: conv_tower` loads like any other, without remote code."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class ConvTowerConfig(PretrainedConfig):
    """architecture: timm's name of a network with `forward_features`; hidden_size: its final channels; patch_size:
    pixels per position and side, so an image has (image_size / patch_size)^2 positions."""

    model_type = "conv_tower"

    def __init__(
        self,
        architecture: str = "tf_efficientnet_lite0",
        hidden_size: int = 1280,
        image_size: int = 224,
        patch_size: int = 32,
        num_channels: int = 3,
        **others,
    ):
        self.architecture, self.hidden_size = architecture, hidden_size
        self.image_size, self.patch_size, self.num_channels = image_size, patch_size, num_channels
        super().__init__(**others)


class ConvTower(PreTrainedModel):
    """The network's last feature map, position by position, each normalised to mean 0 and variance 1 over its channels.

    Always in evaluation mode: in training mode, batch normalisation would use the batch's statistics, and a row's
    features would depend on its batch mates.
    """

    config_class = ConvTowerConfig
    base_model_prefix = "conv_tower"
    main_input_name = "pixel_values"
    _supports_sdpa = _supports_flash_attn = True  # there is no attention, so any implementation fits

    def __init__(self, config: ConvTowerConfig):
        super().__init__(config)
        import timm  # takes a second, in stages of every other model, too

        self.network = timm.create_model(config.architecture, pretrained=False, num_classes=0, global_pool="")
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """timm already initialised its network."""

    def train(self, mode: bool = True) -> ConvTower:
        return super().train(False)

    def forward(self, pixel_values: torch.Tensor, **_) -> BaseModelOutput:
        """float [B, 3, image_size, image_size] -> last_hidden_state [B, positions, hidden_size], also the only entry of
        `hidden_states`."""
        features = self.network.forward_features(pixel_values.to(self.dtype)).flatten(2).transpose(1, 2)
        features = functional.layer_norm(features, features.shape[-1:])
        return BaseModelOutput(last_hidden_state=features, hidden_states=(features,))


AutoConfig.register(ConvTowerConfig.model_type, ConvTowerConfig)
AutoModel.register(ConvTowerConfig, ConvTower)
