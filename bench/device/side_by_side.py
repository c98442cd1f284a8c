#!/usr/bin/env python3
"""The questions of device_bench put to PyTorch on the same device: top-k of given logits, sampling
without replacement, counts and the stable order of a permutation. Prints a Markdown table; ends
with 4 and a sentence where there is no device."""

import statistics
import sys

SHAPES = [(64, 6), (128, 8), (256, 8), (384, 6), (512, 10), (896, 16)]
TOKENS = [128, 8192, 1 << 20]
MOST_BYTES = 8 << 30  # torch.multinomial and argsort want several copies


def median_seconds(torch, work, samples=9):
    """Median time of one call, in a CUDA graph where the call can be captured."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    repetitions = 10
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            for _ in range(repetitions):
                work()
        replay = graph.replay
    except RuntimeError:
        torch.cuda.synchronize()

        def replay():
            for _ in range(repetitions):
                work()

    seconds = []
    for _ in range(samples + 1):
        start = torch.cuda.Event(enable_timing=True)
        stop = torch.cuda.Event(enable_timing=True)
        start.record()
        replay()
        stop.record()
        stop.synchronize()
        seconds.append(start.elapsed_time(stop) * 1e-3 / repetitions)
    return statistics.median(seconds[1:])


def main():
    try:
        import torch
    except ImportError:
        print("side_by_side: python3 has no torch here.", file=sys.stderr)
        return 4
    if not torch.cuda.is_available():
        print("side_by_side: PyTorch sees no CUDA device here.", file=sys.stderr)
        return 4
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name(0)}; medians.\n")
    print("| experts, top-k | tokens | topk of fp32 logits, G tokens/s "
          "| multinomial without replacement, G tokens/s | bincount, G pairs/s "
          "| stable argsort of 16-bit ids, G pairs/s |\n|---|---|---|---|---|---|")
    torch.manual_seed(1)
    for experts, top_k in SHAPES:
        for tokens in TOKENS:
            row = [f"{experts}, {top_k}", str(tokens)]
            logits = torch.randn(tokens, experts, device="cuda")
            took = median_seconds(torch, lambda: torch.topk(logits, top_k, dim=1))
            row.append(f"{tokens / took * 1e-9:.3f}")
            if logits.numel() * 4 <= MOST_BYTES:
                weights = torch.softmax(logits, dim=1)
                took = median_seconds(torch, lambda: torch.multinomial(weights, top_k))
                row.append(f"{tokens / took * 1e-9:.4f}")
                del weights
            else:
                row.append("-")
            ids = torch.topk(logits, top_k, dim=1).indices.flatten()
            del logits
            took = median_seconds(torch, lambda: torch.bincount(ids, minlength=experts))
            row.append(f"{ids.numel() / took * 1e-9:.3f}")
            short = ids.to(torch.int16)
            took = median_seconds(torch, lambda: torch.argsort(short, stable=True))
            row.append(f"{ids.numel() / took * 1e-9:.3f}")
            print("| " + " | ".join(row) + " |", flush=True)
            del ids, short
            torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
