"""Files of registries.yaml as people write them: what they mean, and the many ways to write it."""

import json
import re
from typing import Any

import yaml
from hypothesis import strategies as st

WORDS = [
    "https://mirror.local:5000",
    "plain words go on",
    "it's",
    'say "hi" there',
    "a # b",
    "mirrors:",
    "configs: {}",
    "- x",
    "ключ 🔑 ключ",
    "[x",
    "x}, y",
    "| y",
    "back\\slash",
    "# BEGIN of nothing",
    "text\nmirrors:\n  \"q\n# no comment\n  'r: [\n\nend\n",
    "one line\n",
    "",
]
HOSTS = ["docker.io", "*", "quay.io", "mirror.local:5000", "registry.cube.local", "registry.cube.local:5001", "mirrors"]
NO_STRING = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}

strings = st.sampled_from(WORDS)
mirror = st.fixed_dictionaries(
    {"endpoint": st.lists(strings, min_size=1, max_size=3)},
    optional={"rewrite": st.dictionaries(strings, strings, min_size=1, max_size=2)},
)
config = st.fixed_dictionaries(
    {},
    optional={
        "auth": st.fixed_dictionaries({"username": strings, "password": strings}),
        "tls": st.fixed_dictionaries({"ca_file": strings}),
    },
).filter(bool)
other = st.recursive(
    strings,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(strings, inner, min_size=1, max_size=2),
    max_leaves=4,
)


def meanings(hosts: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "mirrors": st.none() | st.dictionaries(st.sampled_from(hosts), mirror, max_size=3),
            "configs": st.none() | st.dictionaries(st.sampled_from(hosts), config, max_size=3),
            "x-other": other,
            "a key": other,
        },
    )


class Writer:
    """Writes one value in block style, with every choice left to `draw`."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def choose(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def noise(self, after: str = "") -> list[str]:
        """Comments and empty lines; an indented one would belong to a block scalar before it."""
        deep = ["      # mirrors:\n", "  # x"] if "|" not in after else []
        return self.choose("", "", "\n", '# it\'s a "comment": [', *deep).splitlines()

    def quoted(self, text: str) -> str:
        styles = [json.dumps(text, ensure_ascii=False)]
        if "\n" not in text:
            styles.append("'" + text.replace("'", "''") + "'")
        if re.fullmatch(r"[A-Za-z][A-Za-z/.-]*(:[/0-9][^ ]*)?", text) and text not in NO_STRING:
            styles.append(text)
        return self.choose(*styles)

    def scalar(self, text: str, indent: int) -> str:
        """The text after the key's colon or the dash, whose parent is indented by `indent`."""
        if text.endswith("\n") and not text.endswith("\n\n") and self.maybe():
            lines = [" " * (indent + 2) + line if line else "" for line in text.splitlines()]
            return " " + "\n".join([self.choose("|", "| # c"), *lines])
        written = self.quoted(text)
        if re.search(r"\w \w", written) and self.maybe():
            written = re.sub(r"(\w) (\w)", rf"\1\n{self.choose(' ', '   ') + ' ' * indent}\2", written, count=1)
        return " " + written + self.choose("", "", "  # it's", " ")

    def flow(self, value: Any, gap: str) -> str:
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        parts = [self.flow(each, gap) for each in value]
        if isinstance(value, dict):
            parts = [f"{key}: {self.flow(value[name], gap)}" for key, name in zip(parts, value, strict=True)]
        return opening + gap + ("," + gap).join(parts) + gap + closing

    def value(self, value: Any, indent: int) -> str:
        if value is None:
            return self.choose("", " ", " # none")
        if isinstance(value, str):
            return self.scalar(value, indent)
        if self.maybe() and self.maybe():
            gap = self.choose("", " ", "\n" + " " * (indent + 1), " # c\n\n" + " " * (indent + 4))
            return " " + self.flow(value, gap)
        start = self.choose("", "  # below", " ")
        if isinstance(value, dict):
            return start + "\n" + self.mapping(value, indent + len(self.choose(" ", "  ", "    ")))
        step = len(self.choose("", "  "))
        items = [" " * (indent + step) + "-" + self.item(each, indent + step) for each in value]
        return start + "\n" + "\n".join(items)

    def item(self, value: Any, indent: int) -> str:
        if isinstance(value, dict) and self.maybe():
            return " " + self.mapping(value, indent + 2).lstrip(" ")
        if isinstance(value, str):
            return self.scalar(value, indent)
        return " " + self.flow(value, "")

    def mapping(self, value: dict[str, Any], indent: int, *, top: bool = False) -> str:
        lines: list[str] = []
        for key, each in value.items():
            if lines or top:
                lines += self.noise(lines[-1] if lines else "")
            below = key in {"mirrors", "configs"} and top
            written = self.section(each) if below else self.value(each, indent)
            name = self.quoted(key)
            lines.append(" " * indent + name + self.choose(":", " :" if not name.startswith("k") else ":") + written)
        return "\n".join(lines)

    def empty(self, value: dict[str, Any] | None) -> str:
        """Nothing, or an empty mapping, as people and programs write it."""
        if value is None:
            return self.choose("~", "null", "Null", "NULL") + self.choose("", " ", "  # none", " # it's")
        return self.choose("{}", "{ }") + self.choose("", "  ", " # {", " #")

    def section(self, value: dict[str, Any] | None) -> str:
        if value is None and self.maybe():
            return self.value(None, 0)
        if not value and self.maybe():
            return self.choose(" ", "  ") + self.empty(value)
        if not value:
            return "\n".join(["", *self.noise(), self.choose(" ", "  ") + self.empty(value)])
        lines = [self.choose("", " ", "  # ours: [", " # it's"), *self.noise()]
        return "\n".join([*lines, self.mapping(value, len(self.choose(" ", "  ", "    ")))])


@st.composite
def files(draw: st.DrawFn, hosts: list[str] = HOSTS) -> tuple[dict[str, Any], bytes]:
    """What a file with entries for some of these hosts means, and its bytes."""
    meaning = draw(meanings(hosts))
    writer = Writer(draw)
    text = writer.choose("", "", "---\n", "# head\n--- # start\n") + writer.mapping(meaning, 0, top=True)
    if not meaning and writer.maybe():
        text += writer.empty(draw(st.none() | st.just({})))
    text += "\n" + "\n".join(writer.noise(text)) if meaning else ""
    text = text.rstrip(" ") if not meaning else text
    unended = text.rstrip("\n")
    # To some values the last newline belongs.
    if writer.maybe() and (yaml.safe_load(unended) or {}) == meaning:
        text = unended
    return meaning, text.replace("\n", writer.choose("\n", "\r\n")).encode()


LINES = [
    "mirrors: {}",
    "configs: null",
    "  ~",
    "{}",
    "mirrors:",
    "configs:",
    "other:",
    "docker.io:",
    "  docker.io:",
    '  "quay.io":',
    "  'ghcr.io' :",
    "    endpoint:",
    '      - "https://a"',
    "    - 'b'",
    "    endpoint: [",
    '      "x",',
    "    ]",
    "  ]",
    "]",
    '    x: "open',
    '  close"',
    'close"',
    '"',
    "'",
    "      text",
    "     folded",
    "",
    "# c",
    "  # c",
    '    # c " [',
    "---",
    "...",
    "  a: {b: c}",
    "  a: {b: [",
    "}]",
    "    a: it's",
    "    \"q\": 'it''s'",
    "  *x : y",
    "  <<: *a",
    "  a: &a",
    "- a",
    "  - a",
    "    plain",
    "      'tis",
    "    more",
    "foo: bar",
    " foo",
    "        t",
    "    k: [a",
    "   'tis, b]",
    '    a:: "x',
    '    b\\"',
    '    "e\\',
    "    u: #x",
    '    v: a#b "c',
    '  "t',
    'other: "',
    "x: [",
    "a: '",
    "   x",
    '    k: {"a":"b',
    ' c"}',
    "  'a''b': \"\\\"\"",
    "other: it's",
    '- "a',
    "    y: |",
    "  z: >-",
    "    - - |",
    "other: |",
    "  - k: |2",
]


@st.composite
def heaps(draw: st.DrawFn) -> bytes:
    """Lines in any order, valid and broken ones: most are not YAML, and some mean something else than they seem to."""
    line = st.tuples(
        st.sampled_from(LINES),
        st.sampled_from(["", "", "", "", " # c", "#", '"', "'", " [", ' "x"', " {", " ]", ":"]),
        st.none() | st.integers(0, 6),
    ).map(lambda drawn: (drawn[0] if drawn[2] is None else " " * drawn[2] + drawn[0].lstrip()) + drawn[1])
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return (end.join(draw(st.lists(line, max_size=9))) + draw(st.sampled_from(["", end]))).encode()
