"""openai_client.py BASE_URL COLLECTION: what a program written for OpenAI does, checked step by step."""
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="unused", max_retries=0)
model = f"ragmesh/{sys.argv[2]}"
question = [{"role": "user", "content": "How often must the feed pump be greased?"}]

names = [entry.id for entry in client.models.list()]
assert model in names and "ragmesh" in names, names

whole = client.chat.completions.create(model=model, messages=question, temperature=0)
assert "400" in whole.choices[0].message.content, whole
assert whole.choices[0].message.annotations[0].type == "url_citation", whole
assert whole.object == "chat.completion" and whole.usage is not None, whole

text, roles, finished, usage = "", [], [], None
stream = client.chat.completions.create(model=model, messages=question, temperature=0, stream=True,
                                        stream_options={"include_usage": True})
for chunk in stream:
    if not chunk.choices:
        usage = chunk.usage
        continue
    delta = chunk.choices[0].delta
    text += delta.content or ""
    roles += [delta.role] if delta.role else []
    finished += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
assert text == whole.choices[0].message.content, (text, whole)
assert roles == ["assistant"] and finished == ["stop"] and usage is not None, (roles, finished, usage)

try:
    client.chat.completions.create(model="no-such-model", messages=question)
    raise AssertionError("an unknown model must be refused")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error

try:
    client.chat.completions.create(model=model, messages=question, temperature=9)
    raise AssertionError("a temperature of 9 must be refused")
except openai.BadRequestError as error:
    assert error.param == "temperature", error

try:
    client.chat.completions.create(model=model, messages=question, n=2)
    raise AssertionError("several choices of an answer from documents must be refused")
except openai.BadRequestError as error:
    assert error.param == "n", error


def is_generator(name):
    """Whether plain chat is with the model of this name."""
    try:
        return bool(client.chat.completions.create(model=name, messages=question, max_tokens=1).choices)
    except openai.NotFoundError:
        return False


generator = next((name for name in names if not name.startswith("ragmesh") and is_generator(name)), None)
if generator is None:
    print("no generator is loaded: logprobs and n are left out")
else:
    plain = dict(model=generator, messages=[{"role": "user", "content": "Tell me a story."}], max_tokens=12, temperature=1, seed=7)
    several = client.chat.completions.create(**plain, n=3, logprobs=True, top_logprobs=2, extra_body={"typical_p": 0.95, "dry_multiplier": 0.8})
    assert [choice.index for choice in several.choices] == [0, 1, 2], several
    assert len({choice.message.content for choice in several.choices}) > 1, several
    for choice in several.choices:
        spelled = b"".join(bytes(token.bytes) for token in choice.logprobs.content)
        assert spelled.decode(errors="replace").startswith(choice.message.content.rstrip("\ufffd")), choice
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in choice.logprobs.content), choice
    texts, tokens = ["", "", ""], [0, 0, 0]
    ended = {}
    for chunk in client.chat.completions.create(**plain, n=3, logprobs=True, stream=True,
                                                extra_body={"typical_p": 0.95, "dry_multiplier": 0.8}):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            tokens[choice.index] += len(choice.logprobs.content) if choice.logprobs else 0
            if choice.finish_reason:
                ended[choice.index] = choice.finish_reason
    assert texts == [choice.message.content for choice in several.choices], (texts, several)
    assert tokens == [len(choice.logprobs.content) for choice in several.choices], (tokens, several)
    assert ended == {choice.index: choice.finish_reason for choice in several.choices}, ended
    try:
        client.chat.completions.create(**plain, logit_bias={"5": 101})
        raise AssertionError("a bias of 101 must be refused")
    except openai.BadRequestError as error:
        assert error.param == "logit_bias[5]", error

# The client asks for base64 by itself where numpy is installed; both forms must be the same vectors.
floats = client.embeddings.create(model="ragmesh", input=["a pump", "a hammer"], encoding_format="float")
default = client.embeddings.create(model="ragmesh", input=["a pump", "a hammer"])
for one, other in zip(floats.data, default.data, strict=True):
    assert len(one.embedding) > 0
    assert max(abs(a - b) for a, b in zip(one.embedding, other.embedding, strict=True)) < 1e-6
print("openai", openai.__version__, "is content")
