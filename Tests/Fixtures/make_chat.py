#!/usr/bin/env python3
"""Records conversations as chat templates render them, and what the language of templates means.

    python make_chat.py

Writes
    chat.json     conversations, as the templates in chat/ render them
    jinja.json    templates of single features, and their text or that they fail

Templates are run by Jinja2 as transformers runs them (chat_template_utils.py); needs jinja2 3.1.
"""
import datetime
import json
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).resolve().parent
# The tokens of the templates' models.
TOKENS = {
    "gemma3": ("<bos>", "<eos>"), "llama3": ("<|begin_of_text|>", "<|end_of_text|>"),
    "smollm2": ("<|im_start|>", "<|im_end|>"), "thinking": ("<s>", "</s>"), "marked": ("<s>", "</s>"),
}
START, END = "\ue000", "\ue001"

CONVERSATIONS = [
    [("user", "Hello")],
    [("user", "  spaces around \n")],
    [("system", "Be brief."), ("user", "What is 2 + 2?")],
    [("user", "Hi"), ("assistant", "Hello! How can I help?"), ("user", "Tell me\na joke.")],
    [("system", "S"), ("user", "A"), ("assistant", " B "), ("user", "C"), ("assistant", "D")],
    [("user", "")],
    [("user", "\u4f60\u597d \U0001f600")],
]


class Generation(jinja2.ext.Extension):
    """transformers' {% generation %}, with characters around what it marks."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller):
        return START + caller() + END


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = datetime.datetime(2024, 7, 26, 15, 4, 5).strftime
    return made


def render(template, **variables):
    """The text, and the bytes of it that are marked."""
    text, marked, open_at = b"", [], None
    for character in environment().from_string(template).render(**variables):
        if character == START:
            open_at = len(text)
        elif character == END:
            marked.append([open_at, len(text)])
        else:
            text += character.encode()
    return text.decode(), marked


def conversations():
    result = {}
    for name, (first, last) in TOKENS.items():
        template = (HERE / "chat" / f"{name}.jinja").read_text()
        cases = []
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            for prompts in (False, True):
                text, marked = render(
                    template, messages=messages, add_generation_prompt=prompts, bos_token=first, eos_token=last)
                cases.append({"messages": messages, "addsPrompt": prompts, "text": text, "marked": marked})
        result[name] = {"bos": first, "eos": last, "cases": cases}
    return result


VARIABLES = {
    "name": "World", "n": 7, "x": -2.5, "yes": True, "nothing": None, "empty": "", "words": ["b", "a", "C", "a"],
    "numbers": [3, 1, 2], "text": "  Hello, Wörld!\n", "pairs": {"b": 1, "a": [1, "z"], "c": {"d": None}},
    "items": [{"k": "x", "v": 2, "on": True}, {"k": "y", "v": 1, "on": False}, {"k": "z", "v": 3}],
}
LANGUAGE = [
    # Text and tags.
    "a {{ name }} b", "{# comment #}x{# another\n line #}y", "  {% if yes %}\n  in\n  {% endif %}\nout\n",
    "a  {{- name -}}  b", "a\n  {%- if yes %}\nb\n{%- endif -%}\n c", "a {%+ if yes +%}\nb{% endif %}",
    "  {{ name }}\n  {#- c -#}\n d", "{% raw %}{{ name }}{% if %}{% endraw %}!", "{%- raw -%} {{ x }} {%- endraw -%} y",
    "x\r\n{% if yes %}\r\ny{% endif %}", "{{ 'it\\'s \\n \\x41 \\u00e9 \\d' }}", "{{ \"a\" 'b' }}", "line\n", "line\n\n",
    "   \t{# c #}  \nx", "{{ {'a': {'b': 1}} }}", "a{% set q = 1 %}\n\nb",
    # Values.
    "{{ nothing }} {{ yes }} {{ not yes }} {{ missing }} {{ n }} {{ x }}", "{{ 1e20 }} {{ 1.5e-7 }} {{ 100000.0 }} {{ 1_000 }}",
    "{{ [1, 'a', none, true, 2.0, [], {}] }}", "{{ (1, 2)[0] }} {{ [] }} {{ {} }}", "{{ ['it\\'s', 'q\"', 'a\\nb', '\\\\'] }}",
    "{{ pairs }}", "{{ pairs.a[1] }} {{ pairs['b'] }} {{ pairs.zz }} {{ pairs['zz'] is defined }}", "{{ items[0].k }} {{ items[-1]['k'] }}",
    "{{ words[1:] }} {{ words[::-1] }} {{ name[1:3] }} {{ words[:-1] }} {{ name[-1] }} {{ numbers[9] }}",
    "{{ {1: 'a', 'b': 2}[1] }} {% for k in {1: 'a'} %}{{ k + 1 }}{% endfor %}",
    # Operators.
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 + 2 * 3 - 4 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}",
    "{{ 'a' + 'b' }} {{ 'a' ~ 1 ~ none }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ [0] * 2 }}", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }}",
    "{{ 'or' in name }} {{ 3 in numbers }} {{ 'b' in pairs }} {{ 9 not in numbers }} {{ not 1 == 2 }}",
    "{{ 1 if no else 2 }} {{ 'a' if yes }} {{ 'a' if no }}|", "{{ empty or 'x' }} {{ n and 'y' }} {{ nothing or missing or 0 }}", "{{ -n }} {{ +n }} {{ - x | abs }} {{ (-n) | abs }}",
    "{{ 'a' + 1 }}", "{{ 1 + none }}", "{{ missing.field }}", "{{ 1 < 'a' }}", "{{ 1 / 0 }}", "{{ name() }}", "{{ missing() }}",
    # Statements.
    "{% for w in words %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ w }};{% endfor %}",
    "{% for w in [] %}x{% else %}none{% endfor %}", "{% for k, v in pairs.items() %}{{ k }}={{ v }};{% endfor %}", "{% for w in words if w != 'a' %}{{ loop.index }}{{ w }}{% endfor %}",
    "{% for w in words %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }}{{ loop.changed(w) }};{% endfor %}",
    "{% for a in numbers %}{% for b in numbers %}{% if b == 2 %}{% break %}{% endif %}{% if b == 3 %}{% continue %}{% endif %}{{ a }}{{ b }};{% endfor %}{% endfor %}",
    "{% for c in name %}{{ c }}.{% endfor %}{% for k in pairs %}{{ k }}{% endfor %}{% for z in missing %}x{% endfor %}",
    "{% set x = 1 %}{% for i in numbers %}{{ x }}{% set x = i %}{% endfor %}{{ x }}", "{% if yes %}{% set q = 5 %}{% endif %}{{ q }}",
    "{% set ns = namespace(a=1, b='x') %}{% for i in numbers %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set block %}x {{ name }}{% endset %}[{{ block }}]", "{% set t | upper | trim %} x {% endset %}[{{ t }}]",
    "{% if n > 10 %}a{% elif n > 5 %}b{% else %}c{% endif %}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}abc {{ name }}{% endfilter %}",
    "{% macro m(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}{{ n }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(1, 2, 3) | upper }}", "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}",
    "{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in {{ name }}{% endcall %}", "{% macro w() %}<{{ caller(3) }}>{% endmacro %}{% call(q) w() %}{{ q }}{% endcall %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% set n = 1 %}{% macro g() %}{{ n }}{% endmacro %}{% set n = 2 %}{{ g() }}",
    "a{% generation %}b {{ name }}{% endgeneration %}c{% generation %}{% endgeneration %}é{% generation %}ü{% endgeneration %}",
    # Filters.
    "[{{ text | trim }}] [{{ 'xxaxx' | trim('x') }}]", "{{ words | length }} {{ name | count }} {{ pairs | length }} {{ 'ü' | length }}", "{{ words | join(', ') }} {{ items | join('-', attribute='k') }} {{ numbers | join }}",
    "{{ missing | default('d') }} {{ empty | default('d') }} {{ empty | default('d', true) }} {{ nothing | d('x') }} {{ missing | default }}|", "{{ words | sort }} {{ words | sort(reverse=true) }} {{ words | sort(case_sensitive=true) }} {{ items | sort(attribute='v') | map(attribute='k') | list }}",
    "{{ words | unique | list }} {{ words | reverse | list }} {{ name | reverse }} {{ words | first }} {{ words | last }} {{ numbers | sum }} {{ numbers | min }} {{ numbers | max }}",
    "{{ items | map(attribute='v') | list }} {{ words | map('upper') | join }} {{ items | map(attribute='on', default='?') | list }}", "{{ items | selectattr('on') | map(attribute='k') | list }} {{ items | rejectattr('v', 'gt', 1) | list | length }} {{ items | selectattr('k', 'equalto', 'y') | list }}",
    "{{ numbers | select('odd') | list }} {{ numbers | reject('equalto', 1) | list }} {{ nothing | select | list }} {{ items | selectattr('on', 'defined') | list | length }}",
    "{% for k, v in pairs | items %}{{ k }}:{{ v }};{% endfor %}{% for k, v in pairs | dictsort %}{{ k }}:{{ v }};{% endfor %} {{ pairs | list }}", "{{ pairs | tojson }} {{ 'é\"\\n' | tojson }} {{ [] | tojson(indent=2) }}", "{{ pairs | tojson(indent=2) }}", "{{ {'é': '\U0001F600', 'a': 1.0} | tojson(ensure_ascii=true, sort_keys=true, separators=(',', ':')) }}",
    "{{ '3' | int + 1 }} {{ '2.7' | int }} {{ 'x' | int(5) }} {{ '1.5' | float }} {{ n | string + '!' }} {{ x | abs }} {{ 2.5 | round }} {{ 2.567 | round(2) }} {{ 2.1 | round(method='ceil') }}",
    "{{ name | upper }} {{ name | lower }} {{ 'hello wORLD' | capitalize }} {{ 'hello wORLD' | title }} {{ 'aXbX' | replace('X', '-') }} {{ '<a&b>' | e }}", "{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}", "{{ words | nosuch }}", "{{ n | length }}", "{{ 'abc' | list }} {{ 3 | string | length }}",
    # Tests.
    "{{ missing is defined }} {{ missing is undefined }} {{ nothing is none }} {{ n is number }} {{ yes is number }} {{ name is string }} {{ pairs is mapping }} {{ words is sequence }} {{ name is iterable }} {{ n is iterable }}",
    "{{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is not divisibleby(2) }} {{ yes is true }} {{ n is integer }} {{ x is float }} {{ yes is boolean }} {{ n is eq 7 }} {{ n is in [7] }} {{ n is gt(3) and n is lt 9 }}",
    "{{ namespace is callable }} {{ name is sameas name }} {{ 'a' is lower }} {{ 'A' is upper }} {{ n is none }}", "{{ n is nosuch }}",
    # Methods and functions.
    "{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xxa'.lstrip('x') }} {{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\nb\r\nc\n'.splitlines() }}",
    "{{ name.startswith('Wo') }} {{ name.endswith(('x', 'ld')) }} {{ name.upper() }} {{ 'a b'.title() }} {{ 'aaa'.replace('a', 'b', 2) }} {{ name.find('r') }} {{ name.find('q') }} {{ 'banana'.count('an') }} {{ '-'.join(words) }} {{ '12'.isdigit() }} {{ '{} {x} {}{{}} {y}'.format(1, 2, x=3, y=n) }} {{ '{1}{0}'.format(1, 2) }}",
    "{{ pairs.get('a') }} {{ pairs.get('q', 9) }} {{ pairs.get('q') }} {{ pairs.keys() | list }} {{ pairs.values() | list }} {{ words.index('C') }} {{ words.count('a') }}", "{{ words.append('x') }}",
    "{{ range(3) | list }} {{ range(1, 8, 3) | list }} {{ range(3, 0, -1) | list }} {{ dict(a=1, b=2) }} {{ strftime_now('%d %b %Y %H:%M:%S %B %A %-d %y %p %I') }}", "{{ raise_exception('no way') }}",
    # Broken.
    "{{ name", "{% if yes %}a", "{% for a b %}{% endfor %}", "{{ 1 + }}", "{{ (1 }}", "{% nosuch %}", "{% endif %}", "{{ 'abc }}", "{# open", "{% if yes %}{% endfor %}", "{{ a b }}", "{% set x %}",
    "{% for i in range(1000000) %}{% endfor %}", "{{ '\\' }}",
]


def language():
    cases = []
    for template in LANGUAGE:
        try:
            text, marked = render(template, **VARIABLES)
            cases.append({"template": template, "text": text, "marked": marked})
        except (jinja2.exceptions.TemplateError, TypeError, ValueError, ZeroDivisionError, AttributeError, OverflowError):
            cases.append({"template": template, "text": None, "marked": []})
    return {"variables": VARIABLES, "cases": cases}


def main():
    for name, value in (("chat.json", conversations()), ("jinja.json", language())):
        (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
