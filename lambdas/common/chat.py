"""Messages of the chat, as Amazon Q Developer in chat applications takes them.

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

import json
from collections.abc import Iterable

MOST = 3000
"""Characters of the words: what Slack takes in one block of text. https://docs.slack.dev/reference/block-kit/blocks/section-block/"""


def whole(lines: Iterable[str]) -> str:
    """The lines that fit into one message, each whole or not at all."""
    words = ""
    for line in lines:
        words += line if len(words) + len(line) <= MOST else ""
    return words


def message(title: str, words: str, thread: str, summary: str) -> str:
    """The message; those of one `thread` stand together, under its `summary`."""
    return json.dumps(
        {
            "version": "1.0",
            "source": "custom",
            "content": {"textType": "client-markdown", "title": title, "description": words},
            "metadata": {"threadId": thread, "summary": summary},
        }
    )
