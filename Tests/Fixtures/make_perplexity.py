#!/usr/bin/env python3
"""Record what llama-perplexity measures of tiny models.

    python make_perplexity.py --llama-cpp FOLDER

FOLDER is what Benchmarks/peers/build-llama-tools.sh made: the source and its build. Writes
    perplexity/llama2-spm.logits   the logits of hub/llama2-spm.expected.gguf on a seeded text, as written by
                                   llama-perplexity --kl-divergence-base
    perplexity/divergence.json     for the same model in Q4_0: `records`, the numbers of each scored token (negative
                                   log likelihood, that of the base model, KL divergence, difference of probabilities,
                                   same top); `lines` and `table` as llama-perplexity --kl-divergence printed them;
                                   `base` and `running`, the final estimate of the base model's run and that after
                                   each chunk; and `figures`, the table's values and errors in double precision
    perplexity/tiny.json           for every model of hub/, context and text of texts/: `perplexity` and `error` of
                                   the BF16 file as it is, `f32` and `f32Error` of the same weights in F32 (K and V in
                                   F32, no flash attention), and the number of `chunks`; with a `stride`, which has no
                                   final estimate, the perplexity after the last window

The numbers of each token come from a llama-perplexity which is compiled here from its source, made to print them and
to score tokens in order on one thread. llama.cpp multiplies single tokens' numbers in single precision and sums in
double; `figures` does both in double. That they are the right formulas is checked here: with its single precision
they must give its digits.
"""

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy

MODEL, CONTEXT, CHUNKS, SEED = "llama2-spm", 24, 10, 20261124
HERE = Path(__file__).resolve().parent
RETURN = "    return std::make_pair(sum, p_diff);\n"
WORKERS = "workers(std::thread::hardware_concurrency() - 1);"
RECORD = """    {
        static FILE * records = fopen(getenv("RECORDS"), "w");
        fprintf(records, "%.17g %.17g %.17g %.17g %d\\n", (double) nll, (double) nll_base, sum, (double) p_diff,
                imax == imax_base);
        fflush(records);
    }
"""


def instrumented(llama, folder):
    """Compiles llama-perplexity with RECORD; returns its path."""
    source = next(llama.glob("llama_cpp_python-*/vendor/llama.cpp"))
    build = llama / "build/tools/perplexity"
    text = (source / "tools/perplexity/perplexity.cpp").read_text()
    assert text.count(RETURN) == 1 and text.count(WORKERS) > 1
    patched = folder / "perplexity.cpp"
    patched.write_text(text.replace(RETURN, RECORD + RETURN).replace(WORKERS, "workers(0);"))
    flags = dict(re.findall(r"^(CXX_\w+) = (.*)$",
                            (build / "CMakeFiles/llama-perplexity.dir/flags.make").read_text(), re.M))
    link = shlex.split((build / "CMakeFiles/llama-perplexity.dir/link.txt").read_text())
    link[link.index("-o") + 1] = str(folder / "llama-perplexity")
    place = link.index("libllama-perplexity-impl.a")
    compile = [link[0], *shlex.split(flags["CXX_DEFINES"] + " " + flags["CXX_INCLUDES"]), "-O3", "-DNDEBUG"]
    subprocess.run([*compile, "-c", patched, "-o", folder / "perplexity.o"], check=True)
    link[place] = str(folder / "perplexity.o")
    subprocess.run(link, cwd=build, check=True)
    return folder / "llama-perplexity"


def seeded_text():
    generator = random.Random(SEED)
    words = "the of and to in a is was for on with as by at from it were which this be an are or had".split()
    return " ".join(generator.choice(words) for _ in range(300)) + "."


def figures(records, product):
    """Values and errors of kl_divergence's tables; product multiplies the numbers of single tokens."""
    nll, base, kld, dp, same = (numpy.array(column, dtype=numpy.float64) for column in zip(*records))
    n = len(records)

    def mean(x, square):
        f = x.sum() / n
        return f, numpy.sqrt((square.sum() / n - f * f) / (n - 1))

    (f, df), (fb, dfb) = mean(nll, product(nll, nll)), mean(base, product(base, base))
    covariance = (product(nll, base).sum() / n - nll.sum() / n * (base.sum() / n)) / (n - 1)
    ppl, ppl_base, log_ratio = numpy.exp(f), numpy.exp(fb), f - fb
    log_error = numpy.sqrt(df * df + dfb * dfb - 2 * covariance)
    e, eb = ppl * df, ppl_base * dfb
    square = product(dp, dp)
    m, dm = mean(square, square * square)
    share = same.sum() / n
    return {
        "perplexity": [ppl, e],
        "base_perplexity": [ppl_base, eb],
        "correlation": [covariance / (df * dfb), 0],
        "log_ratio": [log_ratio, log_error],
        "ratio": [numpy.exp(log_ratio), numpy.exp(log_ratio) * log_error],
        "difference": [ppl - ppl_base, numpy.sqrt(e * e + eb * eb - 2 * ppl * ppl_base * covariance)],
        "divergence": [*mean(kld, kld * kld)],
        "probability_difference": [*mean(dp, square)],
        "probability_difference_rms": [numpy.sqrt(m), 0.5 / numpy.sqrt(m) * dm],
        "same_top": [share, numpy.sqrt(share * (1 - share) / (n - 1))],
    }


def single(a, b):
    return (a.astype(numpy.float32) * b.astype(numpy.float32)).astype(numpy.float64)


def check(records, table):
    """Whether the formulas give the digits that were printed."""
    f = figures(records, single)
    for label, name in [("Mean PPL(Q)", "perplexity"), ("Mean PPL(base)", "base_perplexity"),
                        ("Mean ln(PPL(Q)/PPL(base))", "log_ratio"), ("Mean PPL(Q)/PPL(base)", "ratio"),
                        ("Mean PPL(Q)-PPL(base)", "difference")]:
        value, error = f[name]
        assert f"{label:30}: {value:10.6f} ± {error:10.6f}\n" in table, (label, value, error)
    assert f"Mean    KLD: {f['divergence'][0]:10.6f} ± {f['divergence'][1]:10.6f}\n" in table
    for label, name in [("Mean    Δp", "probability_difference"), ("RMS Δp    ", "probability_difference_rms"),
                        ("Same top p", "same_top")]:
        value, error = (100 * x for x in f[name])
        assert f"{label}: {value:6.3f} ± {error:5.3f} %" in table, (label, value, error)


TINY_CASES = [
    # context, stride, text
    (32, None, "english"), (64, None, "english"), (32, None, "code"), (64, 16, "english"),
]


def tiny(llama, folder):
    """What llama-perplexity measures of all models of hub/."""
    tools = llama / "build/bin"
    records = []
    for model in sorted(HERE.glob("hub/*.expected.gguf")):
        run(tools / "llama-quantize", model, folder / "f32.gguf", "f32", 1)
        for context, stride, text in TINY_CASES:
            options = ["-f", HERE / f"texts/{text}.txt", "-c", context, "-b", context, "-t", 1]
            options += ["--ppl-stride", stride] if stride else []
            plain = ["-ctk", "f32", "-ctv", "f32", "-fa", "off"]
            chunks, value, error = estimate(tools, "-m", model, *options)
            _, exact, exact_error = estimate(tools, "-m", folder / "f32.gguf", *options, *plain)
            records.append({
                "model": model.name.removesuffix(".expected.gguf"), "text": text, "context": context, "stride": stride,
                "chunks": chunks, "perplexity": value, "error": error, "f32": exact, "f32Error": exact_error,
            })
    lines = ",\n".join(" " + json.dumps(record) for record in records)
    (HERE / "perplexity/tiny.json").write_text(f"[\n{lines}\n]\n")


def estimate(tools, *options):
    """Chunks, perplexity and its error, None with a stride."""
    for _ in range(20):
        output = run(tools / "llama-perplexity", *options)
        planned = int(re.search(r"over (\d+) chunks", output)[1])
        running = re.findall(r"\[(\d+)\]([0-9.]+),", output)
        final = re.search(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)$", output, re.M)
        # llama.cpp may exit before its log is written.
        if len(running) == planned and (final or "--ppl-stride" in options):
            value, error = map(float, final.groups()) if final else (float(running[-1][1]), None)
            return len(running), value, error
    raise RuntimeError("no estimate: " + output[-2000:])


def run(*arguments, **environment):
    result = subprocess.run(list(map(str, arguments)), check=True, text=True, env=os.environ | environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", required=True, type=Path)
    llama = parser.parse_args().llama_cpp.resolve()
    (HERE / "perplexity").mkdir(exist_ok=True)
    logits = HERE / f"perplexity/{MODEL}.logits"
    model = HERE / f"hub/{MODEL}.expected.gguf"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tiny(llama, folder)
        perplexity = instrumented(llama, folder)
        (folder / "text.txt").write_text(seeded_text())
        run(llama / "build/bin/llama-quantize", "--pure", model, folder / "q4_0.gguf", "q4_0", 1)
        options = ["-f", folder / "text.txt", "-c", CONTEXT, "-b", CONTEXT, "-t", 1, "--kl-divergence-base", logits]
        base = run(perplexity, "-m", model, *options, "--chunks", CHUNKS)
        # The tokens of this run come from the file of logits.
        output = run(perplexity, "-m", folder / "q4_0.gguf", *options, "--kl-divergence",
                     RECORDS=str(folder / "records"))
        rows = [line.split() for line in (folder / "records").read_text().splitlines()]
    chunk_lines = re.findall(r"^ +\d+ .* ± .*$", output, re.M)
    table = output[output.index("====== Perplexity"):]
    table = table[:table.index("\n", table.index("Same top p"))]
    records = [[*map(float, row[:4]), row[4] == "1"] for row in rows]
    check(records, table)
    document = {
        "model": MODEL, "context": CONTEXT, "chunks": CHUNKS,
        "base": re.search(r"Final estimate: (PPL = .*)$", base, re.M)[1],
        "running": re.findall(r"\[\d+\]([0-9.]+),", base),
        "lines": chunk_lines,
        "table": table,
        "figures": figures(records, lambda a, b: a * b),
        "records": records,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    # One record a line.
    text = re.sub(r"\[\s+((?:[-0-9.e]+,\s+){4})(true|false)\s+\]",
                  lambda m: "[" + re.sub(r"\s+", " ", m[1]) + m[2] + "]", text)
    (HERE / "perplexity/divergence.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
