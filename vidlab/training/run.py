"""One run: what is on disk of it, features, the loop, and the files at the end."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import torch
from torch import Tensor, nn

from vidlab.clips import problems_table
from vidlab.core.console import say
from vidlab.core.errors import CheckpointError, OptionError, VideoError
from vidlab.core.files import atomic_write, check_writable, sha256_of
from vidlab.models.backends.torch_backend import TorchModel, runtime
from vidlab.models.base import Provenance
from vidlab.models.card import ModelCard, Variant, cards, write_card
from vidlab.models.convert import save_safetensors
from vidlab.models.lookup import FITTED_WEIGHTS
from vidlab.models.movinet.network import MoViNet
from vidlab.training import checkpoint
from vidlab.training.augmentation import Augmentation, default_augmentation, describe
from vidlab.training.features import Extractor
from vidlab.training.learners import (
    Answers,
    HeadLearner,
    Learner,
    NetworkLearner,
    Task,
    compute_in,
    head_of,
    head_views,
    new_head,
)
from vidlab.training.live import Monitor, monitor
from vidlab.training.loop import Loop, Progress
from vidlab.training.result import FitResult

# Views of each clip that the head learns from: one as it is, the others varied.
_NUM_VIEWS = 5

_CHECKPOINT = "checkpoint.safetensors"
_FEATURES = "features.safetensors"
_HISTORY = "history.csv"
_LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, ready to go.

    Attributes:
        model: What to start from; it is not changed.
        task: What to learn.
        augment: As given to `fit`.
        out: Folder, or None.
        device: Where to compute.
        num_workers: Processes that read ahead.
        checkpoint_seconds: How often to write the checkpoint.
        progress: Whether to show how it goes.
    """

    model: TorchModel
    task: Task
    augment: Callable[[Any], Any] | str | None
    out: Path | None
    device: torch.device
    num_workers: int
    checkpoint_seconds: float
    progress: bool

    def go(self, *, resume: bool) -> FitResult:
        """Train, or go on, and write what came of it."""
        with self._folder(resume=resume):
            identity = self._identity()
            tensors, record = self._kept(_CHECKPOINT, identity)
            network = self._network()
            progress, best = Progress(), checkpoint.starting_with("best", tensors)
            if record:
                with checkpoint.going_on(self._path(_CHECKPOINT)):
                    progress = Progress.kept_in(record)
                    if progress.history or progress.is_finished:
                        # Tried before there are better ones, whose fault is none of the file's.
                        self._trained(network).load_state_dict(best)
            if not progress.is_finished:
                shown = monitor(show=self.progress, out=self.out)
                loop = Loop(
                    self._learner(network, identity, shown),
                    device=self.device,
                    monitor=shown,
                    path=self._path(_CHECKPOINT),
                    run=identity,
                    checkpoint_seconds=self.checkpoint_seconds,
                )
                if record:
                    with checkpoint.going_on(self._path(_CHECKPOINT)):
                        loop.restore(tensors, record)
                loop.go()
                progress, best = loop.progress, loop.best
            self._trained(network).load_state_dict(best)
            result = self._result(network.cpu().eval(), progress)
            if self.out is not None and progress.is_finished:
                (self.out / _FEATURES).unlink(missing_ok=True)
        return result

    # ---- what is trained -------------------------------------------------------------------

    def _network(self) -> MoViNet:
        network: MoViNet = copy.deepcopy(self.model.network)
        if self.task.labels != self.model.labels:
            new_head(network, self.model.labels, self.task.labels, seed=self.task.options.seed)
        network = network.to(self.device).eval().requires_grad_(False)
        self._trained(network).requires_grad_(True)
        return network

    def _trained(self, network: MoViNet) -> nn.Module:
        return head_of(network) if self.task.options.train == "head" else network

    def _learner(self, network: MoViNet, identity: Mapping[str, Any], shown: Monitor) -> Learner:
        augmentation = self._augmentation()
        compute = partial(compute_in, self.device, self.task.options.precision)
        if self.task.options.train == "all":
            return NetworkLearner(
                self.task,
                network,
                augmentation=augmentation,
                num_workers=self.num_workers,
                compute=compute,
            )
        views, answers = self._features(network, augmentation, identity, shown)
        return HeadLearner(self.task, network, views=views, answers=answers, compute=compute)

    def _augmentation(self) -> Augmentation | None:
        if self.augment is None:
            return None
        prepare = self.model.preprocessing
        change = self.augment
        if isinstance(change, str):
            change = default_augmentation(self.task.labels, prepare)
        return Augmentation(change, prepare)

    # ---- features of the frozen network ----------------------------------------------------

    def _features(
        self,
        network: MoViNet,
        augmentation: Augmentation | None,
        identity: Mapping[str, Any],
        shown: Monitor,
    ) -> tuple[dict[int, list[Answers]], list[tuple[Tensor, int]]]:
        """Compute what the head is given for every clip, or go on where it was left."""
        task = self.task
        kept, _ = self._kept(_FEATURES, identity)
        num_kept = len(kept)
        extractor = Extractor(network, num_frames=task.options.num_frames)
        extractor.warm_up(self.model.preprocessing.height_px, self.model.preprocessing.width_px)
        num_views = 1 if augmentation is None else _NUM_VIEWS
        views_of = partial(
            head_views, task, extractor, augmentation=augmentation, num_views=num_views
        )
        stages = (
            ("view", task.clips, task.training, views_of),
            ("answer", task.validation_clips, task.validation, partial(task.answers, extractor)),
        )
        path, writer = self._path(_FEATURES), checkpoint.Regularly(self.checkpoint_seconds)
        names = [f"{kind}.{index}" for kind, _, indices, _ in stages for index in indices]
        with checkpoint.going_on(path):
            found = {name: each for name in names if (each := _numbered(kept, name))}
        lost = 0
        shown.begin("looking at clips", total=len(task.training) + len(task.validation))
        try:
            for kind, clips, indices, compute in stages:
                for index in list(indices):
                    name = f"{kind}.{index}"
                    if name not in found:
                        try:
                            found[name] = compute(index)
                            kept |= _named(name, found[name])
                        except VideoError as error:
                            clips.problems[clips.clips[index].name] = str(error)
                            indices.remove(index)
                            lost += kind == "view"
                        if path is not None and writer.is_due():
                            checkpoint.write(path, kept, {"run": identity})
                    shown.advance()
        finally:
            shown.end()
        if path is not None and len(kept) > num_kept:
            checkpoint.write(path, kept, {"run": identity})
        task.check_enough(lost)
        views = {index: found[f"view.{index}"] for index in task.training}
        answers = [
            (features, int(ids[0]))
            for index in task.validation
            for features, ids in found[f"answer.{index}"]
        ]
        return views, answers

    # ---- files -----------------------------------------------------------------------------

    @contextmanager
    def _folder(self, *, resume: bool) -> Iterator[None]:
        """Have the folder alone, without what a killed run left half-written."""
        if self.out is None:
            yield
            return
        check_writable(self.out / FITTED_WEIGHTS)
        lock = filelock.FileLock(self.out / _LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise OptionError(
                f"Another run is writing into {str(self.out)!r}. Wait for it, or give out= "
                "another folder."
            ) from None
        try:
            for part in self.out.glob(".*.part"):
                part.unlink(missing_ok=True)
            if not resume:
                for name in (_CHECKPOINT, _FEATURES):
                    (self.out / name).unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path | None:
        return None if self.out is None else self.out / name

    def _kept(
        self, name: str, identity: Mapping[str, Any]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a file of this run holds; nothing where there is none.

        Raises:
            CheckpointError: It is of a run with other clips or options.
        """
        path = self._path(name)
        if path is None or not path.is_file():
            return {}, {}
        tensors, record = checkpoint.read(path)
        with checkpoint.going_on(path):
            changes = _changes(record["run"], identity)
        if changes:
            raise CheckpointError(
                f"{str(path.parent)!r} holds a run that was started otherwise: "
                f"{'; '.join(changes)}. Give the same again to go on with it, another out= to keep "
                "both, or resume=False to start anew and replace it."
            )
        if name == _CHECKPOINT:
            with checkpoint.going_on(path):
                progress = Progress.kept_in(record)
            done = f"{len(progress.history)} of {self.task.options.epochs} epochs"
            say(
                f"the run in {path.parent} is at its end; this is what came of it"
                if progress.is_finished
                else f"going on with the run in {path.parent}, of which {done} were done"
            )
        return tensors, record

    def _identity(self) -> dict[str, Any]:
        """Return what decides the result, as JSON gives it back."""
        task = self.task
        identity = {
            "model": _digest(self.model.network),
            "preprocessing": self.model.preprocessing.as_dict(),
            "labels": list(task.labels),
            "clips": task.clips.fingerprint(),
            "training": task.training,
            "validation": [task.validation_clips.fingerprint(), task.validation],
            "augment": describe(self.augment),
            "device": self.device.type,
            **task.options.as_dict(),
        }
        same: dict[str, Any] = json.loads(json.dumps(identity))
        return same

    # ---- what came of it -------------------------------------------------------------------

    def _result(self, network: MoViNet, progress: Progress) -> FitResult:
        history = pd.DataFrame(progress.history).astype({"epoch": "int64"})
        best = progress.history[progress.best]
        card = self._card(best)
        where, sha256 = f"{card.name} (not saved)", _digest(network)
        path = self._path(FITTED_WEIGHTS)
        if path is not None:
            made_by = {"trained_from": self.model.title, "trained_by": "vidlab.fit"}
            save_safetensors(path, network.config, network.state_dict(), provenance=made_by)
            where, sha256 = path.name, sha256_of(path)
            size = path.stat().st_size
            card = replace(
                card,
                variants=(replace(card.variants[0], sha256=sha256, size_bytes=size),),
            )
            write_card(card, path)
            with atomic_write(path.with_name(_HISTORY)) as stream:
                history.to_csv(stream, index=False)
        model = TorchModel(
            network,
            card=card,
            variant=card.variants[0].name,
            labels=card.label_map(len(self.task.labels)),
            provenance=Provenance(
                weights_file=where, weights_sha256=sha256, place="path", runtime=runtime()
            ),
            num_threads=self.model.num_threads,
            selection=replace(self.model.selection, label_allow_list=None, label_deny_list=None),
        )
        if progress.stopped is not None:
            say(f"training stopped: {progress.stopped}")
        return FitResult(
            model=model,
            history=history,
            best_epoch=int(best["epoch"]),
            path=path,
            validation=self.task.validation_clips.table(self.task.validation),
            problems=problems_table(progress.problems | self.task.all_problems()),
            seconds=progress.seconds,
            stopped=progress.stopped,
        )

    def _card(self, best: Mapping[str, float]) -> ModelCard:
        task, base = self.task, self.model.card
        name = f"{base.name}-tuned" if self.out is None else self.out.resolve().name
        if name in cards():
            name += "-tuned"
        what = "head" if task.options.train == "head" else "all weights"
        accuracy = {"top1": round(100 * best["val_accuracy"], 2)} if "val_accuracy" in best else {}
        return ModelCard(
            name=name,
            title=f"{base.title}, {what} trained on {len(task.labels)} labels",
            family=base.family,
            kind=base.kind,
            preprocessing=base.preprocessing,
            task=base.task,
            dataset=f"{len(task.training)} clips of its own",
            labels=tuple(task.labels),
            licence=base.licence,
            paper=base.paper,
            source=base.source,
            num_frames=task.options.num_frames,
            accuracy=accuracy,
            variants=(
                Variant(
                    name="float",
                    precision="float32",
                    format="safetensors",
                    file=FITTED_WEIGHTS,
                    note=f"{what} of {self.model.title} trained for {best['epoch']:.0f} epochs",
                ),
            ),
        )


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that the device does not compute in.

    Raises:
        OptionError: It would be slower than float32, or fail.
    """
    if precision in ("bfloat16", "float16") and not _computes_in(precision, device):
        raise OptionError(
            f'precision={precision!r}: {device} does not compute in it. Use "float32", or a device '
            "that does, such as a recent GPU."
        )


def _computes_in(precision: str, device: torch.device) -> bool:
    if device.type == "cuda":
        if precision == "float16":
            return True
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and torch._C._has_mkldnn:
        asks = {
            "bfloat16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
            "float16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
        }
        return bool(asks[precision]())
    return device.type == "mps" and precision == "float16"


def _named(prefix: str, found: list[Answers]) -> dict[str, Tensor]:
    """Return features and class ids by the names that :func:`_numbered` finds."""
    names = ("features", "ids")
    return {
        f"{prefix}.{number}.{name}": value
        for number, answers in enumerate(found)
        for name, value in zip(names, answers, strict=True)
    }


def _numbered(tensors: Mapping[str, Tensor], prefix: str) -> list[Answers]:
    """Return features and class ids that were kept under a prefix, in order.

    Raises:
        LookupError: There are no class ids with the features.
        ValueError: They are of another shape.
    """
    found: list[Answers] = []
    while (features := tensors.get(f"{prefix}.{len(found)}.features")) is not None:
        ids = tensors[f"{prefix}.{len(found)}.ids"]
        if features.ndim != 2 or ids.ndim != 1 or not len(ids):
            shapes = f"{tuple(features.shape)} and {tuple(ids.shape)}"
            raise ValueError(f"{prefix} has features and class ids of the shapes {shapes}")
        found.append((features, ids))
    return found


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what differs between two runs."""
    changes = []
    for name in sorted({*then, *now}):
        if then.get(name) == now.get(name):
            continue
        if name in ("model", "preprocessing"):
            changes.append("it started from another model")
        elif name in ("clips", "training", "validation"):
            changes.append(
                "the clips to validate with are others"
                if name == "validation"
                else "the clips, or their files, are others"
            )
        else:
            changes.append(f"{name} was {then.get(name)!r} and is {now.get(name)!r}")
    return list(dict.fromkeys(changes))


def _digest(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
