"""Hugging Face: video models of the transformers library, in the directories that it writes.

The directory says what the model takes: ``config.json`` the frames and the labels,
``preprocessor_config.json`` the pixels. Only the frame rate is in neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError, VidlabError, WeightsError
from vidlab.core.labels import LabelMap
from vidlab.models.arrays import ArrayModel, open_array
from vidlab.models.backends.torch_backend import on_arrays
from vidlab.models.card import DIRECTORY_FORMATS, ModelCard, cards
from vidlab.models.lookup import weights_bytes
from vidlab.models.opening import Opening
from vidlab.transforms import Preprocessing

_WHY = "the transformers backend"

# Frames per second in training on Kinetics: videos of 30 a second, of which VideoMAE takes every
# 4th (arXiv:2203.12602), TimeSformer every 32nd (2102.05095) and ViViT every 2nd (2103.15691);
# X-CLIP takes 8 of a whole video of 10 seconds (2208.02816).
_FRAME_RATES = {"videomae": 30 / 4, "timesformer": 30 / 32, "vivit": 30 / 2, "xclip": 8 / 10}

# Far above those of any model that was published (ViT-22B: 48 layers), and harmless.
_MOST = {
    "num_frames": 1000, "image_size": 4000, "num_hidden_layers": 500, "mit_num_hidden_layers": 500,
    "hidden_size": 100_000, "intermediate_size": 1_000_000,
}  # fmt: skip
_MOST_PLACES = 100_000

# Pillow's numbers of its filters.
_RESAMPLING: dict[int, Any] = {2: "pillow", 3: "pillow-bicubic"}


def open_model(opening: Opening) -> ArrayModel:
    """Open a directory of transformers'; see `vidlab.models.registry.Backend`.

    X-CLIP finds out which of some texts says what is to be seen: they are its labels.
    """
    transformers = require("transformers", why=_WHY)
    config = _read(transformers.AutoConfig, opening.path)
    if config.model_type not in _FRAME_RATES:
        raise WeightsError(
            f"{str(opening.path)!r} is a {config.model_type} model; of transformers' models "
            f"{', '.join(_FRAME_RATES)} are known to vidlab."
        )
    _check_claims(opening.path, config)
    card = _understood(opening, config)
    if config.model_type == "xclip":
        function = _choice_of_texts(opening, config, _texts(opening, card))
    else:
        function = _classifier(opening.path, config)
    call = on_arrays(function, num_threads=opening.num_threads)
    return open_array(call, replace(opening, card=card), backend="transformers", runtime=runtime())


def runtime() -> str:
    """Return the runtime's name and version."""
    torch = require("torch", why=_WHY)
    return (
        f"transformers {require('transformers', why=_WHY).__version__}, torch {torch.__version__}"
    )


def _read(auto: Any, folder: Path, **options: Any) -> Any:
    words = require("transformers", why=_WHY).utils.logging
    shows_bars = words.is_progress_bar_enabled()
    words.disable_progress_bar()  # of reading a file that is here
    try:
        # Python files in the directory stay text; where they are needed, this raises.
        return auto.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as error:  # transformers raises what it likes
        raise WeightsError(f"transformers cannot read {str(folder)!r}: {error}") from error
    finally:
        if shows_bars:
            words.enable_progress_bar()


def _weights(auto: Any, folder: Path) -> Any:
    """Return a network with every weight from the directory, none made up."""
    network, found = _read(auto, folder, output_loading_info=True)
    if missing := sorted(found["missing_keys"]):
        raise WeightsError(
            f"{str(folder)!r} lacks {len(missing)} weights, {missing[0]} among them; is it the "
            "model before it was taught its labels?"
        )
    return network.eval()


def _classifier(folder: Path, config: Any) -> Callable[[Any], Any]:
    network = _weights(_auto(config), folder)
    return lambda clips: network(pixel_values=clips).logits


def _choice_of_texts(opening: Opening, config: Any, texts: list[str]) -> Callable[[Any], Any]:
    transformers = require("transformers", why=_WHY)
    network = _weights(_auto(config), opening.path)
    tokens = _read(transformers.AutoTokenizer, opening.path)(
        texts, padding=True, return_tensors="pt"
    )
    return lambda clips: network(pixel_values=clips, **tokens).logits_per_video


def _texts(opening: Opening, card: ModelCard) -> list[str]:
    if opening.labels is not None:
        return list(opening.labels)
    if card.labels is None:
        raise OptionError(
            f"{card.name} chooses among texts: pass them, as in load_model(..., "
            'labels=["playing the guitar", "riding a bike"]).'
        )
    return list(LabelMap.named(card.labels) if isinstance(card.labels, str) else card.labels)


def _check_claims(folder: Path, config: Any) -> None:
    """Refuse a description of a network that its weights cannot be of.

    A line of text claims a million layers; building those would take all memory, or for ever.

    Raises:
        WeightsError: With what it claims.
    """
    try:
        described = json.loads((folder / DIRECTORY_FORMATS["transformers"]).read_bytes())
        for part in (described, described.get("text_config"), described.get("vision_config")):
            for name, most in _MOST.items():
                value = (part or {}).get(name, 0)
                if not isinstance(value, int) or not 0 <= value <= most:
                    raise ValueError(f"{name} is {value!r:.80}; at most {most} is believed")
        if config.model_type == "videomae":  # whose places are computed one by one
            num_places = (config.image_size // config.patch_size) ** 2 * config.num_frames
            if num_places > _MOST_PLACES:
                raise ValueError(f"it looks at {num_places} places; at most {_MOST_PLACES}")
        torch, auto = require("torch", why=_WHY), _auto(config)
        with torch.device("meta"):  # shapes without numbers
            claimed = sum(each.numel() for each in auto.from_config(config).parameters())
    except Exception as error:  # transformers raises what it likes
        raise WeightsError(f"transformers cannot read {str(folder)!r}: {error}") from error
    if claimed > (has := weights_bytes(folder)):  # 8 bits each at least
        raise WeightsError(
            f"config.json in {str(folder)!r} describes a network of {claimed} weights; the files "
            f"there have {has} bytes. Fetch them again."
        )


def _auto(config: Any) -> Any:
    transformers = require("transformers", why=_WHY)
    if config.model_type == "xclip":
        return transformers.AutoModel
    return transformers.AutoModelForVideoClassification


def _understood(opening: Opening, config: Any) -> ModelCard:
    """Return the card, or say that what the directory says of itself makes no sense."""
    try:
        return _card(opening, config)
    except VidlabError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{str(opening.path)!r} says of itself what makes no sense: {error!r:.300}."
        ) from error


def _card(opening: Opening, config: Any) -> ModelCard:
    """Return the user's card, or what the directory says of itself."""
    folder, known = opening.path, opening.card
    if known is not None and known != cards().get(known.name):
        return known
    is_clip = config.model_type == "xclip"
    labels = None if is_clip else _labels(folder, config)
    num_frames = (config.vision_config if is_clip else config).num_frames
    frame_rate = _FRAME_RATES[config.model_type]
    preprocessing = _preprocessing(folder, frame_rate)
    if known is not None:
        return replace(
            known,
            labels=labels or known.labels,
            num_frames=num_frames,
            preprocessing=preprocessing,
        )
    say(
        f"{folder.name}: {frame_rate:.3g} frames a second are assumed, as {config.model_type} was "
        "trained with; card= says otherwise"
    )
    return ModelCard(
        name=folder.name,
        title=folder.name,
        family="transformers",
        kind="clip",
        labels=labels,
        layout="BTCHW",
        num_frames=num_frames,
        preprocessing=preprocessing,
    )


def _labels(folder: Path, config: Any) -> tuple[str, ...]:
    """Return the labels in the order of the logits; the file may have them in any."""
    try:
        return tuple(config.id2label[index] for index in range(len(config.id2label)))
    except KeyError as error:
        raise WeightsError(
            f"config.json in {str(folder)!r} has {len(config.id2label)} labels, but none of number "
            f"{error}; pass labels= all of them."
        ) from error


def _preprocessing(folder: Path, frame_rate: float) -> Preprocessing:
    """Return what transformers' processor does to a frame, in vidlab's words.

    Raises:
        WeightsError: It does something for which there are none.
    """
    processor = _read(require("transformers", why=_WHY).AutoImageProcessor, folder)
    size, crop = dict(processor.size), dict(processor.crop_size or {})
    resampling = _RESAMPLING.get(int(processor.resample))
    if resampling is None or not processor.do_resize:
        raise WeightsError(
            f"{str(folder)!r} resizes pictures in a way that vidlab has no word for: "
            f"do_resize={processor.do_resize}, resample={processor.resample}. Pass a card= with "
            "its preprocessing."
        )
    short = size.get("shortest_edge")
    to = (short,) if short else (size["height"], size["width"])
    is_cropped = processor.do_center_crop
    height, width = (crop["height"], crop["width"]) if is_cropped else (to * 2)[:2]
    # ViViT's takes 1 off after scaling, and only then the mean.
    offset = 1.0 if getattr(processor, "offset", False) else 0.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if processor.do_normalize:
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
    return Preprocessing(
        height_px=height,
        width_px=width,
        resize_to_px=to,
        resampling=resampling,
        is_crop_rounded_down=True,
        scale=1.0 / processor.rescale_factor if processor.do_rescale else 1.0,
        mean=(mean[0] + offset, mean[1] + offset, mean[2] + offset),
        std=std,
        frame_rate=frame_rate,
    )
