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

# The client asks for base64 by itself where numpy is installed; both forms must be the same vectors.
floats = client.embeddings.create(model="ragmesh", input=["a pump", "a hammer"], encoding_format="float")
default = client.embeddings.create(model="ragmesh", input=["a pump", "a hammer"])
for one, other in zip(floats.data, default.data, strict=True):
    assert len(one.embedding) > 0
    assert max(abs(a - b) for a, b in zip(one.embedding, other.embedding, strict=True)) < 1e-6
print("openai", openai.__version__, "is content")
