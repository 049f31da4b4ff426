# SPDX-License-Identifier: GPL-3.0-or-later
"""The student's layers in training on a processor: each one differentiable function, in passes that stay in the cache.

A batch's activations (C, J, N) are larger than a core's cache, and every elementwise pass over them fetches them anew.
Normalising and mixing joints treat each channel by itself, so they run here over some channels at a time; the backward
pass computes again what is cheaper to compute than to fetch. What is computed is what the plain modules compute.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_PASS_BYTES = 600_000
"""Size of an activation array of the channels that are worked on at once; four or five such arrays are alive."""

_threshold_backward = torch.ops.aten.threshold_backward
_norm_backward = torch.ops.aten.native_batch_norm_backward


class Normaliser:
    """A batch normalisation in training: its running statistics, which it updates, and its momentum and epsilon."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        self.mean, self.var, self.eps = norm.running_mean, norm.running_var, norm.eps
        norm.num_batches_tracked.add_(1)
        self.momentum = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum


class _Pass:
    """The normalisation of some channels: forwards into an array, backwards from it."""

    def __init__(self, part: slice, gamma: Tensor, mean: Tensor, inverse: Tensor, eps: float) -> None:
        self.part, self.gamma, self.mean, self.inverse, self.eps = part, gamma[part], mean[part], inverse[part], eps

    def forward(self, y: Tensor, beta: Tensor, norm: Normaliser, out: Tensor) -> None:
        running = norm.mean[self.part], norm.var[self.part]
        wanted = out.view(1, len(y), -1), self.mean, self.inverse
        flat = y.view(1, len(y), -1)
        torch.native_batch_norm(flat, self.gamma, beta[self.part], *running, True, norm.momentum, norm.eps, out=wanted)

    def backward(self, grad: Tensor, y: Tensor, g_gamma: Tensor, g_beta: Tensor) -> Tensor:
        flat = (1, len(y), -1)
        statistics = (self.gamma, None, None, self.mean, self.inverse)
        g, a, b = _norm_backward(grad.view(flat), y.view(flat), *statistics, True, self.eps, [True] * 3)
        g_gamma[self.part], g_beta[self.part] = a, b
        return g.view(y.shape)


def _passes(x: Tensor, gamma: Tensor, mean: Tensor, inverse: Tensor, eps: float) -> list[_Pass]:
    """Cut the channels of a layer's output, which is as large per channel as `x`, into passes."""
    channels = len(gamma)
    count = -(-channels * x[0].numel() * x.element_size() // _PASS_BYTES)
    step = -(-channels // count)
    return [_Pass(slice(i, min(i + step, channels)), gamma, mean, inverse, eps) for i in range(0, channels, step)]


class GraphLayer(torch.autograd.Function):
    """relu(norm(sum_j E_dij (W x + b)_dj)): a graph convolution, normalised; (inputs, J, N) to (outputs, J, N)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, edges: Tensor, gamma: Tensor, beta: Tensor, norm: Normaliser
    ) -> Tensor:
        """Compute the layer in the precision of `x`; parameters are in float32."""
        w, sums, (joints, frames) = weight.to(x.dtype), edges.sum(-1), x.shape[1:]
        # Mixed, the bias is b_d times the sum of E's row: one more column of E, for one more row of ones.
        mixing = torch.cat([edges, (sums * bias[:, None])[..., None]], -1).to(x.dtype)
        mapped = x.new_empty(len(w), joints + 1, frames)
        torch.mm(w, x.flatten(1), out=mapped.view(len(w), -1)[:, : joints * frames])
        mapped[:, joints] = 1
        y, mean, inverse = x.new_empty(len(w), joints, frames), torch.empty_like(gamma), torch.empty_like(gamma)
        out = torch.empty_like(y)
        for cut in _passes(x, gamma, mean, inverse, norm.eps):
            part = cut.part
            torch.bmm(mixing[part], mapped[part], out=y[part])
            cut.forward(y[part], beta, norm, out[part])
            out[part].relu_()
        ctx.save_for_backward(x, w, bias, sums, mixing, gamma, mapped, y, out, mean, inverse)
        ctx.eps = norm.eps
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Compute all gradients."""
        x, w, bias, sums, mixing, gamma, mapped, y, out, mean, inverse = ctx.saved_tensors
        grad, joints = grads[0].contiguous(), x.shape[1]
        back = mixing[..., :joints].transpose(1, 2).contiguous()
        g_mapped, g_mixing = torch.empty_like(y), torch.empty_like(mixing)
        g_gamma, g_beta = torch.empty_like(gamma), torch.empty_like(gamma)
        for cut in _passes(x, gamma, mean, inverse, ctx.eps):
            part = cut.part
            g = cut.backward(_threshold_backward(grad[part], out[part], 0), y[part], g_gamma, g_beta)
            torch.bmm(g, mapped[part].transpose(1, 2), out=g_mixing[part])
            torch.bmm(back[part], g, out=g_mapped[part])
        flat = g_mapped.flatten(1)
        g_x = (w.t() @ flat).view(x.shape) if ctx.needs_input_grad[0] else None
        g_weight = (flat @ x.flatten(1).t()).to(gamma.dtype)
        g_mixing = g_mixing.to(gamma.dtype)
        g_edges, g_offset = g_mixing[..., :joints], g_mixing[..., joints]
        return g_x, g_weight, (g_offset * sums).sum(-1), g_edges + (g_offset * bias[:, None])[..., None], g_gamma, g_beta, None


class NonLocalLayer(torch.autograd.Function):
    """x + norm(U softmax(q k^T) v), with (q, k, v) = W x + b: attention between a frame's joints; (C, J, N) to (C, J, N).

    Two thirds of the bias need no computing. The keys' adds the same to all scores of a query, to which the softmax is
    blind; the values' passes through attention, which sums to one, and is a constant that the normalisation takes away,
    seen in its running mean alone. Their gradients are zero.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, out_weight: Tensor, gamma: Tensor, beta: Tensor, norm: Normaliser
    ) -> Tensor:
        """Compute the layer in the precision of `x`; parameters are in float32."""
        w, u, half = weight.to(x.dtype), out_weight.to(x.dtype), out_weight.shape[1]
        rows = (x.flatten(1).t() @ w.t()).view(*x.shape[1:], 3, half)
        query, key, value = rows.permute(2, 1, 0, 3).contiguous()
        query += bias[:half].to(x.dtype)
        attention = torch.softmax(torch.bmm(query, key.transpose(1, 2)), -1, dtype=gamma.dtype)
        shares = attention.to(x.dtype)
        mixed = torch.bmm(shares, value).transpose(0, 1).flatten(0, 1)
        y = (u @ mixed.t()).view(x.shape)
        out, mean, inverse = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(gamma)
        for cut in _passes(x, gamma, mean, inverse, norm.eps):
            z = out[cut.part]
            cut.forward(y[cut.part], beta, norm, z)
            z += x[cut.part]
        norm.mean.add_(out_weight @ bias[2 * half :], alpha=norm.momentum)
        ctx.save_for_backward(x, w, u, gamma, query, key, value, attention, shares, mixed, y, mean, inverse)
        ctx.eps = norm.eps
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Compute all gradients."""
        x, w, u, gamma, query, key, value, attention, shares, mixed, y, mean, inverse = ctx.saved_tensors
        (channels, joints, frames), half, grad = x.shape, u.shape[1], grads[0].contiguous()
        g_gamma, g_beta = torch.empty_like(gamma), torch.empty_like(gamma)
        whole = _Pass(slice(0, channels), gamma, mean, inverse, ctx.eps)
        flat = whole.backward(grad, y, g_gamma, g_beta).flatten(1)
        g_mixed = (flat.t() @ u).view(joints, frames, half).transpose(0, 1).contiguous()
        g_shares = torch.bmm(g_mixed, value.transpose(1, 2)).to(attention.dtype)
        g_scores = torch.ops.aten._softmax_backward_data(g_shares, attention, -1, attention.dtype).to(x.dtype)
        inputs = x.new_empty(3, frames, joints, half)
        torch.bmm(g_scores, key, out=inputs[0])
        torch.bmm(g_scores.transpose(1, 2), query, out=inputs[1])
        torch.bmm(shares.transpose(1, 2), g_mixed, out=inputs[2])
        rows = inputs.permute(2, 1, 0, 3).reshape(-1, 3 * half)
        g_x = torch.addmm(grad.flatten(1), w.t(), rows.t()).view(x.shape)
        g_weight, g_bias = (x.flatten(1) @ rows).t().to(gamma.dtype), gamma.new_zeros(3 * half)
        g_bias[:half] = inputs[0].sum((0, 1))
        return g_x, g_weight, g_bias, (flat @ mixed).to(gamma.dtype), g_gamma, g_beta, None
