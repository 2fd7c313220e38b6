"""Renders a model's Markdown to safe HTML, block by block, so that a growing reply is rendered once.

Everything here is hostile input. Raw HTML is text, images become links, and a sanitiser has the last word over what
the renderer made; code is escaped and coloured apart from it, and put back by marks nobody can guess.
"""

import re
import secrets
import time
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, cast

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import format as formatted
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Text like "[[[[…" takes 25 µs a character to parse: a block or paragraph past this is shown as it came. No person
# writes one so long.
LARGEST_BLOCK = 20_000
LARGEST_COLOURED = 20_000
# Most lexers are quadratic on something ("\n\n\n…" in C). Code they colour at a tenth of their usual speed stays plain.
COLOURING_S, COLOURING_S_PER_CHARACTER = 0.05, 20e-6
# Languages whose lexers never hang in a single step, which nothing could cut short; those of others do for minutes.
_LANGUAGES = """
asm bash c cmake clojure cpp csharp css dart diff docker elixir erlang fortran fsharp go graphql groovy haskell html
http java javascript json julia kotlin latex lisp lua make nasm nginx nix objective-c pascal perl php powershell
protobuf python r ruby rust scala scheme scss sql swift terraform toml tsx typescript vb.net vim xml yaml zig
"""
_COLOURED = frozenset(_LANGUAGES.split())
# Cells that short rows of a table leave out and the parser fills in: 65,536 by default, seconds for a few KB of text.
cast(Any, import_module("markdown_it.rules_block.table")).MAX_AUTOCOMPLETED_CELLS = 1_000

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code"),
    *("strong", "em", "s", "a", "div", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "div": {"tabindex"}}
_CLASSES = {
    "div": {"table-scroll"},
    "th": {"align-left", "align-center", "align-right"},
    "td": {"align-left", "align-center", "align-right"},
}

# Stored for good, so it names no static file: their addresses change with the content. The style sheet has the icon.
_FIGURE = (
    '<figure class="code"><figcaption><span>{}</span>'
    '<button class="icon-button copy-code" type="button" data-copy="" aria-label="Copy the code"></button>'
    '</figcaption><pre tabindex="0"><code>{}</code></pre></figure>'
)

type Block = tuple[int, str]


class _Renderer(RendererHTML):
    """markdown-it's own renderer, but for code (kept aside), images (links) and column alignment (a class)."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        mark = f"{env['mark']}-{len(env['code'])}"
        env["code"][mark] = _code(tokens[idx].content, tokens[idx].info.split(maxsplit=1)[:1])
        return _placeholder(mark)

    code_block = fence

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        # A remote image would tell its server who reads this reply, and could carry out what the model was told.
        address = str(tokens[idx].attrGet("src") or "")
        return f'<a href="{escape(address)}">{escape(tokens[idx].content or address)}</a>'

    def table_open(self, *_: Any) -> str:
        return '<div class="table-scroll" tabindex="0"><table>'  # so that keys can scroll it

    def table_close(self, *_: Any) -> str:
        return "</table></div>"

    def _cell(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        style = str(tokens[idx].attrs.pop("style", ""))  # as "text-align:right"
        if style:
            tokens[idx].attrSet("class", f"align-{style.rpartition(':')[2]}")
        return self.renderToken(tokens, idx, options, env)

    th_open = td_open = _cell


class _TooMuch(Exception):
    """A block that would take too long to render."""


def _limit(state: StateCore) -> None:
    if any(token.type == "inline" and len(token.content) > LARGEST_BLOCK for token in state.tokens):
        raise _TooMuch


def _parser() -> MarkdownIt:
    # Lines end where the model ended them, as they do while they come: a poem is one paragraph.
    options = {"html": False, "breaks": True, "maxNesting": 20}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    return parser.enable(["table", "strikethrough"])


_markdown = _parser()
_markdown.core.ruler.before("inline", "limit", _limit)
_outline = _parser().disable("inline")  # where blocks begin and end is known without what is in them
_formatter = HtmlFormatter[str](nowrap=True, classprefix="tok-")


def finished_blocks(text: str, start: int) -> list[Block]:
    """The blocks of `text` from `start` on that can no longer change, each with the offset of its end.

    A top-level block is finished once another has begun behind it; the last one may still grow. A line that is still
    being written says nothing yet: after "1. one" and an empty line, "2" looks like a paragraph until its dot comes.
    """
    return _blocks(text[: text.rfind("\n") + 1], start)[:-1]


def all_blocks(text: str, start: int) -> list[Block]:
    """The rest of a finished reply from `start` on."""
    return _blocks(text, start)


def _blocks(text: str, start: int) -> list[Block]:
    tail = text[start:]
    if len(tail) > LARGEST_BLOCK and "\n\n" not in tail[:LARGEST_BLOCK]:
        cut = tail.find("\n\n")
        head, rest = (tail, "") if cut < 0 else (tail[:cut], tail[cut:])
        plain: Block = (start + len(head), _plain(head))
        return [plain, *(_blocks(text, start + len(head)) if rest.strip() else [])]
    ends = _ends(tail)
    return [(start + end, _render(tail[begin:end])) for begin, end in pairwise([0, *ends])]


def _ends(tail: str) -> list[int]:
    """Where each top-level block ends, that is, where the next begins; the last ends with the text."""
    if not tail.strip():
        return []
    line_starts = [0, *(newline.end() for newline in re.finditer("\n", tail))]
    begins = [token.map[0] for token in _outline.parse(tail) if token.level == 0 and token.map and token.nesting >= 0]
    return [*(line_starts[line] for line in begins[1:]), len(tail)]


def _render(source: str) -> str:
    env: dict[str, Any] = {"mark": secrets.token_hex(8), "code": {}}
    try:
        rendered = _markdown.render(source, env)
    except _TooMuch:
        return _plain(source)
    html = nh3.clean(
        rendered,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return re.sub(_placeholder(f"({env['mark']}-[0-9]+)"), lambda found: env["code"][found[1]], html)


def _placeholder(mark: str) -> str:
    return f"<pre>{mark}</pre>"


def _code(source: str, language: list[str]) -> str:
    name, html = "", escape(source)
    if language and len(source) <= LARGEST_COLOURED:
        try:
            lexer = get_lexer_by_name(language[0], stripnl=False)
            name = lexer.name
            if not _COLOURED.isdisjoint(lexer.aliases):
                html = _coloured(source, lexer) or html
        except ClassNotFound:
            name = language[0][:30]
    return format_html(_FIGURE, name or "Code", html)


def _coloured(source: str, lexer: Lexer) -> SafeString:
    deadline = time.thread_time() + COLOURING_S + COLOURING_S_PER_CHARACTER * len(source)
    tokens = []
    for token in lexer.get_tokens(source):
        if time.thread_time() > deadline:
            return SafeString("")
        tokens.append(token)
    return mark_safe(formatted(tokens, _formatter))  # escaped by the formatter


def _plain(source: str) -> str:
    return f'<div class="plain">{escape(source)}</div>'


def joined(blocks: Sequence[Sequence[Any]]) -> SafeString:
    """The stored blocks as one piece of HTML. They were made safe here when they were stored."""
    return mark_safe("".join(html for _, html in blocks))  # escaped when they were stored
