"""Fast paths of the network against its plain modules: same results, same gradients."""

import copy
import platform
import subprocess
import sys

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyseg.model.backbones import TimmBackbone, keep_norm_statistics
from tinyseg.model.fast.folding import FoldedNorm, NormedConv, fold_norms
from tinyseg.model.fast.sparse_gradient import MOST_FRAC, sparse_conv

LITE = "tf_efficientnet_lite0"


def plain_network(seed: int = 0) -> nn.Module:
    """EfficientNet-Lite0 as timm has it, with norms that differ, in float64."""
    torch.manual_seed(seed)
    body: nn.Module = timm.create_model(LITE, features_only=True, out_indices=(1, 2, 3, 4))
    for part in body.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.get_buffer("running_mean"), std=0.2)
            nn.init.uniform_(part.get_buffer("running_var"), 0.5, 1.5)
    return body.double().train()


def learnt(body: nn.Module, images: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The maps, and the gradient of each tensor for a loss that weighs the maps unevenly."""
    maps = list(body(images))
    torch.manual_seed(7)
    loss = torch.stack([(m * torch.randn_like(m)).mean() for m in maps]).sum()
    names, tensors = zip(*body.named_parameters(), strict=True)
    return maps, dict(zip(names, torch.autograd.grad(loss, tensors), strict=True))


@pytest.mark.parametrize("kept", [True, False])
def test_folded_norms_give_the_plain_maps_and_gradients(kept: bool) -> None:
    """With stored statistics, and with renewed ones, which are not folded."""
    plain = plain_network()
    folded = copy.deepcopy(plain)
    fold_norms(folded)
    kinds = [type(part) for part in folded.modules()]
    assert kinds.count(NormedConv) == kinds.count(FoldedNorm) > 40
    assert folded.state_dict().keys() == plain.state_dict().keys()
    if kept:
        keep_norm_statistics(plain)
        keep_norm_statistics(folded)
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    (maps, gradients), (their_maps, theirs) = learnt(folded, images), learnt(plain, images)
    torch.testing.assert_close(maps, their_maps, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients, theirs, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(dict(folded.named_buffers()), dict(plain.named_buffers()))


def test_a_copy_has_norms_of_its_own() -> None:
    first = TimmBackbone(LITE).eval()
    second = copy.deepcopy(first)
    images = torch.randn(1, 3, 64, 64)
    before = second(images)[0]
    for part in first.modules():
        if isinstance(part, FoldedNorm):
            nn.init.zeros_(part.weight)
    assert torch.equal(second(images)[0], before)
    assert not torch.equal(first(images)[0], before)


def test_other_networks_stay_as_they_are() -> None:
    body = timm.create_model("resnet18", features_only=True)
    fold_norms(body)
    assert not any(isinstance(part, NormedConv | FoldedNorm) for part in body.modules())


def test_depthwise_convolutions_stay_in_float32() -> None:
    backbone = TimmBackbone(LITE).eval()
    seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for part in backbone.modules():
        if isinstance(part, NormedConv):
            part.register_forward_hook(
                lambda conv, given, out: seen[conv.groups > 1].add(out.dtype)
            )
    with torch.autocast("cpu", torch.bfloat16):
        backbone(torch.randn(1, 3, 64, 64))
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("share", [0.0, MOST_FRAC / 2, 1.0])
def test_sparse_convolution_is_the_convolution(size: int, share: float) -> None:
    """Gradients at no pixel, at few (rim and corners among them) and at all."""
    torch.manual_seed(1)
    shapes = ((2, 5, 20, 30), (4, 5, size, size), (4,))
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    at = (torch.rand(2, 1, 20, 30) < share).double()
    at[:, :, ::19, ::29] = float(share > 0)
    weigh = torch.randn(2, 4, 20, 30, dtype=torch.float64) * at
    own = sparse_conv(*given)
    plain = functional.conv2d(given[0], given[1], given[2], padding=size // 2)
    torch.testing.assert_close(own, plain)
    torch.testing.assert_close(
        torch.autograd.grad((own * weigh).sum(), given),
        torch.autograd.grad((plain * weigh).sum(), given),
    )


MEASURED = """
import ctypes, mmap, resource, sys
from tinyseg.allocator import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("not taken")
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
for turn in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    library.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_kept_memory_is_not_asked_for_again() -> None:
    """Pages that the system had to give for a block of 64 MB which was there before."""
    kept, given = (
        int(subprocess.check_output([sys.executable, "-c", MEASURED, how]))
        for how in ("kept", "plain")
    )
    assert kept < 100 < given
