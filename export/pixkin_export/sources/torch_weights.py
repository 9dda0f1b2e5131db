"""Files of weights for networks of PyTorch, read without running anything that they contain."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from pixkin_embedding.runtime import first_line
from pixkin_proto.errors import InvalidExtractor
from safetensors.torch import load_file
from torch import Tensor, nn

WRAPPERS = ("state_dict_ema", "state_dict", "model_ema", "model")
"""Keys below which training scripts put the weights."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of one that `torch.save` wrote, by name.

    Raises InvalidExtractor when the file cannot be read, is damaged, or holds anything but tensors.
    """
    try:
        saved = load_file(path) if path.suffix == ".safetensors" else _torch_file(path)
    except OSError as error:
        raise InvalidExtractor(f"{path} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise InvalidExtractor(
            f"{path} is refused: it is damaged, or holds more than tensors ({first_line(error)}); get the file again, "
            "or save the model's state_dict() alone"
        ) from error
    except Exception as error:  # damaged files raise a dozen unrelated types
        raise InvalidExtractor(
            f"{path} is damaged or no file of weights ({first_line(error)}); get it again"
        ) from error
    for key in WRAPPERS:
        if isinstance(saved, Mapping) and isinstance(saved.get(key), Mapping):
            saved = saved[key]
    if not isinstance(saved, Mapping) or not all(isinstance(value, Tensor) for value in saved.values()):
        raise InvalidExtractor(f"{path} holds something else than named tensors; save the model's state_dict() alone")
    return {str(name).removeprefix("module."): value for name, value in saved.items()}


def put_weights(model: nn.Module, path: Path, name: str) -> None:
    """Put the tensors of a file into a network. Raises InvalidExtractor when they are of another one, or not finite."""
    tensors = read_tensors(path)
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in tensors.items()}
    both = {key for key in expected.keys() | given.keys() if not key.endswith("num_batches_tracked")}
    wrong = sorted(key for key in both if expected.get(key) != given.get(key))
    if wrong:
        raise InvalidExtractor(
            f"{path} has the weights of another network than {name}: {len(wrong)} of {len(both)} tensors are missing, "
            f"unexpected or of another shape, {wrong[0]} for instance"
        )
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise InvalidExtractor(f"{path} is damaged: {key} has impossible values; get the file again")
    model.load_state_dict(tensors, strict=False)


def _torch_file(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles of a newer protocol, which are read or refused all the same
        return torch.load(path, map_location="cpu", weights_only=True)
