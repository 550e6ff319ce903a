#!/usr/bin/env python3
"""Renders public chat templates with Jinja2 itself and writes what our own renderer must reproduce.

  python3 -m venv venv && venv/bin/pip install jinja2
  venv/bin/python make_goldens.py TEMPLATES_FOLDER > chat_templates.json
"""
import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext

NOW = datetime.datetime(2024, 7, 26, 12, 30, tzinfo=datetime.timezone.utc)


class Refused(Exception):
    pass


def refuse(message):
    raise Refused(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class Generation(jinja2.ext.Extension):
    """{% generation %} marks text for training and changes nothing in the output."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place, <now>",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Town or \"district\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["place"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "call00001", "type": "function",
         "function": {"name": "get_weather", "arguments": {"place": "Zürich", "unit": "celsius"}}}
    ],
}
QUESTION = {"role": "user", "content": "  What is <|im_end|> an edge node? — Größe \n"}
CASES = {
    "question": {"messages": [QUESTION]},
    "talk": {
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi there.\nHow can I help?"},
            QUESTION,
        ]
    },
    "thought": {
        "messages": [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "<think>\nAdd them.\n</think>\n\n4"},
            {"role": "user", "content": "And 3+3?"},
        ]
    },
    "finished": {
        "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}],
        "add_generation_prompt": False,
    },
    "tools": {
        "messages": [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Weather in Zürich?"},
            CALL,
            {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"sky\": \"clear\"}"},
            {"role": "user", "content": "Thanks"},
        ],
        "tools": [WEATHER],
    },
}


def main():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                                     extensions=["jinja2.ext.loopcontrols", Generation])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda pattern: NOW.strftime(pattern)
    goldens = []
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jinja")):
        template = environment.from_string(path.read_text(encoding="utf-8"))
        for case, context in CASES.items():
            context = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, **context}
            golden = {"template": path.name, "case": case, "context": context}
            try:
                golden["text"] = template.render(json.loads(json.dumps(context)))
            except Refused as refused:
                golden["refused"] = str(refused)
            except Exception:  # a mistake in the template for this conversation: ours must fail too
                golden["fails"] = True
            goldens.append(golden)
    json.dump({"now": "2024-07-26T12:30:00Z", "made_with": "jinja2 " + jinja2.__version__, "goldens": goldens},
              sys.stdout, ensure_ascii=False, indent=1)
    print()


main()
