"""JOD-lite: a small network on statistics of windows in which what nobody can see counts for little."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PRISTINE", "JODLite", "WindowStatistics"]

PRISTINE = 10.0
"""JOD of an image that cannot be told from its original."""
STRIDE = 8
"""Distance of the windows in px."""
# Of each octave, in levels of 255: about what the eye does not see on a photograph.
_LUMA_FLOORS = (2.0, 1.2, 1.0, 1.0, 1.0, 1.0)
_CHROMA_FLOORS = (2.5, 2.0, 1.5)
_PHASES = 8  # px: the block of JPEG
# Mean and standard deviation of each kind of statistic over crops of photographs and what degrades them.
_LUMA = (
    *((2.5, 1.0), (2.3, 1.0), (2.4, 1.0), (0.8, 0.7), (2.4, 0.9)),  # logarithms of energies
    *((0.0, 0.5), (0.0, 0.5), (0.55, 0.27)),  # orientation and its strength
    *((0.75, 0.16), (0.65, 0.16), (0.0, 0.25)),  # evenness of edges and of curvature, skewness
)
_CHROMA = ((1.1, 0.8), (0.0, 0.37), (0.4, 0.26), (0.84, 0.15))
_COLOR = ((0.45, 0.2), (0.0, 0.08), (0.0, 0.08), (0.0, 0.1), (0.0, 0.1))
_GRID = ((0.3, 0.3), (0.2, 0.25), (-0.3, 0.28))


class JODLite(nn.Module):
    """A map of JOD at an eighth of the size, and its mean.

    All that the network sees are `WindowStatistics`: smooth functions of local energies, each with a floor below which
    changes count for nothing. That bounds what an invisible change can do to the score.

    Args:
        width: Channels.
        depth: Residual blocks, each of which sees one more window around.
    """

    def __init__(self, width: int = 96, depth: int = 3) -> None:
        super().__init__()
        self.statistics = WindowStatistics()
        self.first = nn.Conv2d(self.statistics.channels, width, 1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        last = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 8.5)  # type: ignore[arg-type]  # the mean of what it learns from
        self.head = nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), last)

    def forward(self, image: Tensor) -> Tensor:
        """The JOD of each image against the pristine original that nobody has shown.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1], sides of at least 16 px.

        Returns:
            `(N,)`, higher is better, about 10 for a pristine image.
        """
        return self._map(image).mean((1, 2, 3))

    def quality_map(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, H, W)`: the JOD of every pixel; its mean is about the score."""
        height, width = image.shape[-2:]
        large = F.interpolate(self._map(image), scale_factor=STRIDE, mode="bilinear", align_corners=False)
        return large[:, 0, :height, :width]  # (N, H, W), of (N, 1, 8h, 8w)

    def _map(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, 1, ceil(H / 8), ceil(W / 8))`."""
        maps: Tensor = self.head(self.features(image))
        return maps

    def features(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1] to what the head sees, `(N, width, ceil(H / 8), ceil(W / 8))`."""
        x = F.silu(self.first(self.statistics(image)))  # (N, width, ceil(H / 8), ceil(W / 8))
        for block in self.blocks:
            x = block(x)
        return x


class WindowStatistics(nn.Module):
    """Statistics of windows of 16 px, a window every 8 px: natural scene statistics that have a floor everywhere.

    Of six octaves of luma the energies of first and second derivatives, their orientation, how evenly they are spread
    (noise) or gathered (edges), and the skewness of curvature (halos); of three octaves of chroma the energy, how it
    goes with luma and how evenly it is spread; colors and clipped pixels; and how far one of the eight phases of rows
    and columns stands out (the blocks of JPEG).

    Attributes:
        channels: Number of statistics of a window.

    Reference:
        Simoncelli, Freeman: The steerable pyramid, ICIP 1995 (octaves of oriented energies); Mittal, Moorthy, Bovik:
        No-Reference Image Quality Assessment in the Spatial Domain, TIP 2012 (statistics of natural scenes).
    """

    binomial: Tensor
    colors: Tensor
    derivatives: Tensor
    offset: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self._constant("binomial", (line[:, None] * line)[None, None])
        luma, blue, red = [0.299, 0.587, 0.114], [0.5, -0.419, -0.081], [-0.169, -0.331, 0.5]
        self._constant("colors", 255 * torch.tensor([luma, blue, red])[:, :, None, None])
        self._constant("derivatives", _derivatives())
        octaves = [*_LUMA, *_CHROMA] * len(_CHROMA_FLOORS) + [*_LUMA] * (len(_LUMA_FLOORS) - len(_CHROMA_FLOORS))
        usual = torch.tensor([*octaves, *_COLOR, *_GRID, *_GRID])[:, :, None, None]
        self._constant("offset", usual[:, 0])
        self._constant("scale", usual[:, 1])
        self.channels = len(usual)

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.contiguous(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1] to `(N, channels, ceil(H / 8), ceil(W / 8))`, of about mean 0 and variance 1."""
        with torch.autocast(image.device.type, enabled=False):  # 16 bits would round faint structure away
            image = image.to(self.colors.dtype)
            height, width = image.shape[-2:]
            image = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
            seen = F.conv2d(image, self.colors)  # (N, 3, H, W) in levels
            statistics = [*self._octaves(seen[:, :1], seen[:, 1:]), *_color(seen)]
            statistics += [_grid(seen[:, :1]), _grid(seen[:, :1].transpose(-1, -2)).transpose(-1, -2)]
            found: Tensor = (torch.cat(statistics, dim=1) - self.offset) / self.scale
            return found

    def _octaves(self, luma: Tensor, chroma: Tensor) -> list[Tensor]:
        """Statistics of each octave of luma `(N, 1, H, W)` and chroma `(N, 2, H, W)`: `(N, 11 or 4, H / 8, W / 8)`."""
        size = (luma.shape[-2] // STRIDE, luma.shape[-1] // STRIDE)
        statistics = []
        for octave, floor in enumerate(_LUMA_FLOORS):
            if octave:
                luma = self._halved(luma)  # (N, 1, ceil(h / 2), ceil(w / 2))
            stride = max(1, STRIDE >> octave)
            dx, dy, dxx, dyy, dxy, checker = F.conv2d(_padded(luma, 1), self.derivatives).split(1, dim=1)
            found = _luma(dx, dy, dxx, dyy, dxy, checker, floor, stride)  # (N, 11, h / stride, w / stride)
            if found.shape[-2:] != size:  # an octave that is coarser than the windows
                found = F.interpolate(found, size, mode="bilinear", align_corners=False)  # (N, 11, H / 8, W / 8)
            statistics.append(found)
            if octave < len(_CHROMA_FLOORS):
                if octave:
                    chroma = self._halved(chroma)  # (N, 2, ceil(h / 2), ceil(w / 2))
                flat = _padded(chroma, 1).flatten(0, 1)[:, None]  # (2N, 1, h + 2, w + 2)
                gradient = F.conv2d(flat, self.derivatives[:2]).unflatten(0, (-1, 2))  # (N, 2 colors, 2, h, w)
                statistics.append(_chroma(gradient, dx, dy, floor, _CHROMA_FLOORS[octave], stride))
        return statistics

    def _halved(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv2d(_padded(x, 2), self.binomial.expand(channels, 1, 5, 5), stride=2, groups=channels)


class _Block(nn.Module):
    """A 3x3 and a 1x1 convolution beside a shortcut: `(N, width, h, w)` to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.within = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.within.weight)
        nn.init.zeros_(self.within.bias)  # type: ignore[arg-type]  # there is a bias

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.within(F.silu(self.around(x)))
        return x + changed


def _derivatives() -> Tensor:
    """`(6, 1, 3, 3)`: d/dx, d/dy, d2/dx2, d2/dy2, d2/dxdy, and a checkerboard, of about the same gain."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    second = torch.tensor([[0.0, 0, 0], [1, -2, 1], [0, 0, 0]]) / 2
    mixed = torch.tensor([[1.0, 0, -1], [0, 0, 0], [-1, 0, 1]]) / 4
    checker = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 8
    return torch.stack([sobel, sobel.T, second, second.T, mixed, checker])[:, None]


def _luma(
    dx: Tensor, dy: Tensor, dxx: Tensor, dyy: Tensor, dxy: Tensor, checker: Tensor, floor: float, stride: int
) -> Tensor:
    """The statistics of an octave, `(N, 11, h / stride, w / stride)`, of its derivatives `(N, 1, h, w)` in levels."""
    gradient, laplacian = dx.square() + dy.square(), dxx + dyy
    curvature = dxx.square() + dyy.square() + 2 * dxy.square()
    square = laplacian.square()
    soft = 0.25 * floor**2  # makes the root smooth at 0
    skew = laplacian**3 / (square + 4 * floor**2)
    each = [gradient, square, curvature, checker.square(), dx.square() - dy.square(), 2 * dx * dy, skew]
    means = _windows(torch.cat([*each, (gradient + soft).sqrt(), (square + soft).sqrt()], dim=1), stride)
    edges, curved, bent, checked, across, diagonal, skewed, edge, curve = means.split(1, dim=1)  # (N, 1, h', w') each
    half = floor / 2
    energies = [_log(energy, half) for energy in (edges, curved, bent, checked, edge.square())]
    weight = edges + floor**2
    oriented = [across / weight, diagonal / weight, (across.square() + diagonal.square() + 1e-4).sqrt() / weight]
    even = [edge.square() / (edges + soft), curve.square() / (curved + soft)]
    return torch.cat([*energies, *oriented, *even, skewed / (curve + floor)], dim=1)


def _chroma(gradient: Tensor, dx: Tensor, dy: Tensor, luma_floor: float, floor: float, stride: int) -> Tensor:
    """The statistics of an octave, `(N, 4, h / stride, w / stride)`: energy, which color's, with luma's, evenness.

    Args:
        gradient: Gradient of chroma, `(N, 2 colors, 2, h, w)` in levels.
        dx: Horizontal derivative of luma, `(N, 1, h, w)`.
        dy: Vertical derivative of luma, `(N, 1, h, w)`.
        luma_floor: Floor of luma in levels.
        floor: Floor of chroma in levels.
        stride: Distance of the windows in px.
    """
    energy = gradient.square().sum(2)  # (N, 2, h, w)
    common = gradient[:, :, 0] * dx + gradient[:, :, 1] * dy  # (N, 2, h, w)
    soft = 0.25 * floor**2
    root = (energy.sum(1, keepdim=True) + soft).sqrt()  # (N, 1, h, w)
    means = _windows(torch.cat([energy, common, root, dx.square() + dy.square()], dim=1), stride)  # (N, 6, h', w')
    blue, red, common, root, edges = means.split([1, 1, 2, 1, 1], dim=1)
    both = blue + red
    together = (common.square().sum(1, keepdim=True) + 1e-4).sqrt()  # (N, 1, h', w')
    together = together / ((both + floor**2).sqrt() * (edges + luma_floor**2).sqrt())
    return torch.cat(
        [_log(both, floor / 2), (blue - red) / (both + floor**2), together, root.square() / (both + soft)], dim=1
    )


def _color(seen: Tensor) -> list[Tensor]:
    """Means of `(N, 3, H, W)` levels in windows: luma and chroma in [0, 1], the shares of white and of black pixels."""
    luma = seen[:, :1]
    clipped = torch.cat([torch.sigmoid((luma - 250) / 2), torch.sigmoid((5 - luma) / 2)], dim=1)  # (N, 2, H, W)
    return [F.avg_pool2d(seen, STRIDE) / 255, _windows(clipped, STRIDE)]


def _grid(luma: Tensor) -> Tensor:
    """Deviation of the strongest two and the weakest of the eight phases of columns, in windows of 40 px.

    `(N, 1, H, W)` in levels to `(N, 3, H / 8, W / 8)`, logarithms against the mean phase.
    """
    step = F.pad(luma[..., 1:] - luma[..., :-1], (0, 1)).square()
    energy = F.avg_pool2d(step, (STRIDE, 1))[:, 0].unflatten(-1, (-1, _PHASES)).permute(0, 3, 1, 2)
    phases = _log(F.avg_pool2d(_padded(energy, 2), 5, 1), 1.0)  # (N, 8, H / 8, W / 8)
    ordered = phases.sort(dim=1, descending=True).values
    return ordered[:, [0, 1, -1]] - phases.mean(1, keepdim=True)


def _windows(x: Tensor, stride: int) -> Tensor:
    """Means of overlapping windows of twice the stride (3 px where that is 1): `(N, C, h, w)` to a `stride`-th."""
    if stride == 1:
        return F.avg_pool2d(_padded(x, 1), 3, 1)
    return F.avg_pool2d(_padded(x, stride // 2), 2 * stride, stride)


def _log(energy: Tensor, floor: float) -> Tensor:
    """The logarithm of an amplitude in units of its floor: 0 where there is nothing, flat below the floor."""
    return 0.5 * torch.log1p(energy / floor**2)


def _padded(x: Tensor, pixels: int) -> Tensor:
    return F.pad(x, (pixels,) * 4, mode="replicate")
