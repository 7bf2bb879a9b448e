"""Images turn and flip as torchvision's do, one by one, from the generator alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as transforms

from secateur.training import augmentation


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(images=5, channels=3, height=9, width=9, seed=0):
    return torch.randint(0, 256, (images, channels, height, width), dtype=torch.uint8, generator=generator(seed))


@settings(max_examples=60, deadline=None)
@given(st.floats(-180, 180), st.integers(4, 16), st.integers(4, 16), st.integers(0, 99))
def test_a_turned_image_is_torchvisions(angle, height, width, seed):
    pixels = noise(2, 3, height, width, seed)
    ours = augmentation.rotated_by(pixels, torch.tensor([angle, 0.0], dtype=torch.float64))
    theirs = transforms.rotate(pixels[0], angle)
    # A pixel half way between two may go either way: torchvision computes places in float32.
    assert (ours[0] != theirs).any(0).float().mean() <= (0.1 if abs(angle) % 45 < 1e-3 else 0)
    assert torch.equal(ours[1], pixels[1])


@pytest.mark.parametrize(("angle", "turns"), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_a_right_angle_moves_every_pixel_exactly(angle, turns):
    pixels = noise(1)
    assert torch.equal(augmentation.rotated_by(pixels, torch.tensor([angle])), pixels.rot90(turns, (2, 3)))


def test_what_comes_in_from_outside_is_zero():
    turned = augmentation.rotated_by(torch.full((1, 1, 9, 9), 255, dtype=torch.uint8), torch.tensor([45.0]))
    assert turned[0, 0, 0, 0] == 0 and turned[0, 0, 4, 4] == 255


def test_every_image_has_its_own_angle_within_the_bound():
    pixels = noise(200)
    angles = (torch.rand(200, generator=generator(3), dtype=torch.float64) * 2 - 1) * 10
    assert torch.equal(augmentation.rotated(pixels, 10, generator(3)), augmentation.rotated_by(pixels, angles))
    assert angles.min() < -9 and angles.max() > 9 and angles.unique().numel() == 200


def test_half_of_the_images_are_mirrored_and_the_rest_untouched():
    pixels = noise(1000, width=8)
    flipped = augmentation.flipped(pixels, generator())
    mirrored = (flipped == pixels.flip(3)).flatten(1).all(1)
    assert ((flipped == pixels).flatten(1).all(1) ^ mirrored).all()
    assert 440 < mirrored.sum() < 560


def test_a_crop_is_torchvisions_of_the_padded_image():
    pixels = noise(60, height=7, width=9)
    offsets = torch.randint(0, 5, (2, 60, 1), generator=generator(3))[:, :, 0].tolist()
    cropped = augmentation.cropped(pixels, 2, generator(3))
    padded = transforms.pad(pixels, [2])
    for image, top, left in zip(range(60), *offsets, strict=True):
        assert torch.equal(cropped[image], transforms.crop(padded[image], top, left, 7, 9))
    # Every shift by up to two pixels, in both directions.
    assert set(offsets[0]) == set(offsets[1]) == {0, 1, 2, 3, 4} and cropped.is_contiguous()


CHANGES = [
    augmentation.flipped,
    lambda pixels, generator: augmentation.rotated(pixels, 10, generator),
    lambda pixels, generator: augmentation.cropped(pixels, 3, generator),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_type_and_shape_stay_and_equal_generators_give_equal_images(change, dtype):
    pixels = noise().to(dtype)
    before = pixels.clone()
    first, second = change(pixels, generator(1)), change(pixels, generator(1))
    assert first.dtype == dtype and first.shape == pixels.shape
    assert torch.equal(first, second) and torch.equal(pixels, before)
    assert not torch.equal(first, change(pixels, generator(2)))
