#!/usr/bin/env python3
"""Renders conversations with chat templates by nibble and by Jinja2 as transformers runs it, and compares.

    compare_templates.py NIBBLE TEMPLATE.jinja...

The source of llama.cpp, as build-llama-tools.sh unpacks it, has templates of some 70 models in models/templates.
Prints each that differs, and at the end how many texts are the same. Needs gguf and jinja2
(scripts/setup.sh --python).
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Fixtures"))
import make_chat  # noqa: E402

MODEL = ROOT / "Tests" / "Fixtures" / "hub" / "llama3.expected.gguf"
CALL = {"city": "Ulm", "n": 3, "f": 1.5, "b": True, "l": [1, "a"]}
CONVERSATIONS = [
    [("user", "Hello there"), ("assistant", "Hi, how are you?")],
    [
        ("system", "Be brief."), ("user", "What is 2+2?"), ("assistant", "4"), ("user", "And 3+3?\nThink."),
        ("assistant", "  It is 6.\n\nReally. "),
    ],
    [
        ("user", "Größe “x” <b> & 'y' \\n"), ("assistant", "<think>\nhmm\n</think>\n\nünï 日本"), ("user", "ok"),
        ("assistant", "done"),
    ],
]
CONVERSATIONS = [[{"role": role, "content": text} for role, text in turns] for turns in CONVERSATIONS] + [[
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "id": "call12345", "function": {"name": "get", "arguments": CALL}}]},
    {"role": "tool", "tool_call_id": "call12345", "name": "get", "content": '{"t": 20}'},
    {"role": "assistant", "content": "20 degrees."},
]]
TOOLS = [{"type": "function", "function": {
    "name": "get", "description": 'Gets "it".',
    "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "d"}, "n": {"type": "integer"}},
        "required": ["city"]}}}]


def with_template(path, template):
    """Writes a vocabulary with another template; returns its texts for the beginning and the end."""
    reader = gguf.GGUFReader(MODEL)
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "tokenizer.chat_template"):
            continue
        kinds = {"sub_type": field.types[-1]} if field.types[0] == gguf.GGUFValueType.ARRAY else {}
        writer.add_key_value(field.name, field.contents(), field.types[0], **kinds)
    writer.add_chat_template(template)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    return [tokens[reader.fields[f"tokenizer.ggml.{kind}_token_id"].contents()] for kind in ("bos", "eos")]


def unescaped(text):
    """The bytes that `nibble tokenize` wrote on one line."""
    data, out, place = text.encode(), bytearray(), 0
    while place < len(data):
        if data[place] != ord("\\"):
            out.append(data[place])
            place += 1
        elif data[place + 1] == ord("x"):
            out.append(int(data[place + 2:place + 4], 16))
            place += 4
        else:
            out += {"n": b"\n", "t": b"\t", "r": b"\r", "\\": b"\\"}[chr(data[place + 1])]
            place += 2
    return bytes(out)


def ours(nibble, model, line, folder):
    """The text, or the error."""
    path = folder / "chat.jsonl"
    path.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    run = subprocess.run(
        [nibble, "tokenize", model, "--text", path, "--chat", "--json"], capture_output=True, text=True, check=False)
    if run.returncode:
        return None, run.stderr.strip()
    tokens = json.loads(run.stdout)["conversations"][0]["tokens"]
    return b"".join(unescaped(token["text"]) for token in tokens).decode("utf-8", "replace"), ""


def theirs(template, line, first, last):
    try:
        text, _ = make_chat.render(template, add_generation_prompt=False, bos_token=first, eos_token=last, **line)
    except Exception as error:  # Templates fail in every way that Python has.
        return None, repr(error)
    # The token for the beginning is the tokenizer's.
    return text if text.startswith(first) else first + text, ""


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    same = refused = different = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in map(Path, sys.argv[2:]):
            template = path.read_text(encoding="utf-8")
            model = folder / "model.gguf"
            first, last = with_template(model, template)
            for place, messages in enumerate(CONVERSATIONS):
                for tools in ({}, {"tools": TOOLS}):
                    line = {"messages": messages, **tools}
                    own, problem = ours(sys.argv[1], model, line, folder)
                    other, reason = theirs(template, line, first, last)
                    if own != other:
                        different += 1
                        print(f"{path.name}, conversation {place}{', tools' if tools else ''}: "
                              + (problem or reason or f"{own!r} instead of {other!r}")[:400])
                    elif own is None:
                        refused += 1
                    else:
                        same += 1
    print(f"{same} texts are the same, {refused} are refused by both, {different} differ")


if __name__ == "__main__":
    main()
