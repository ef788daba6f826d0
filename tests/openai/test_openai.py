"""`fathom serve` as OpenAI's Python client meets it. `./test` runs it; by hand, from the root of the project:

    cargo build -p fathom-cli
    python3 -m venv target/openai && target/openai/bin/pip install -r tests/openai/requirements.txt
    target/openai/bin/python tests/openai/test_openai.py
"""

import asyncio
import json
import os
import pathlib
import subprocess
import time
import unittest
import urllib.request

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
FATHOM = os.environ.get("FATHOM", ROOT / "target" / "debug" / "fathom")
KEY = "a key of this test"


def alone(*arguments):
    """The tokens that `fathom run` makes."""
    command = [FATHOM, "run", "--json", "--device", "cpu", *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines[:-1]]


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [FATHOM, "serve", "--device", "cpu", "--port", "0", "--parallel", "2", "--alias", "beads-1"]
        environment = {**os.environ, "FATHOM_API_KEY": KEY}
        cls.server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        for line in cls.server.stderr:
            if "http://" in line:
                cls.url = "http://" + line.split("http://")[1].split()[0]
                break
        cls.client = openai.OpenAI(base_url=cls.url + "/v1", api_key=KEY, max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.terminate()
        code = cls.server.wait(timeout=60)
        cls.server.stderr.close()
        assert code == 0, f"the server ended with {code}"

    def health(self):
        with urllib.request.urlopen(self.url + "/health") as response:
            return json.load(response)

    def wait_until_idle(self):
        began = time.monotonic()
        while self.health()["running"] or self.health()["waiting"]:
            self.assertLess(time.monotonic() - began, 10, "the slots are not free again")
            time.sleep(0.02)

    def test_models(self):
        models = list(self.client.models.list())
        self.assertEqual([model.id for model in models], ["beads-1"])
        self.assertEqual(models[0].model_extra["fathom"]["max_depth"], 16)
        self.assertEqual(self.client.models.retrieve("beads-1").owned_by, "fathom")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-4")

    def test_completions(self):
        for arguments, options in [
            ([], {"temperature": 0}),
            (["--temp", "0.7", "--seed", "5"], {"temperature": 0.7, "seed": 5}),
            (["--depth", "4"], {"temperature": 0, "extra_body": {"depth": 4}}),
        ]:
            made = alone("4-6+9*3-8+5*7=", *arguments)
            answer = self.client.completions.create(model="beads-1", prompt="4-6+9*3-8+5*7=", **options)
            choice = answer.choices[0]
            self.assertEqual(choice.text, "".join(token["text"] for token in made))
            self.assertEqual(choice.finish_reason, "stop")
            tokens = choice.model_extra["fathom"]["tokens"]
            for name in ["token", "depth", "steps_taken"]:
                self.assertEqual([token[name] for token in tokens], [token[name] for token in made])
            self.assertEqual(answer.usage.completion_tokens, len(made))
            mean = sum(token["depth"] for token in made) / len(made)
            self.assertAlmostEqual(answer.usage.model_extra["mean_depth"], mean, places=3)

    def test_many_at_once(self):
        async def ask_all():
            async with openai.AsyncOpenAI(base_url=self.url + "/v1", api_key=KEY, max_retries=0) as client:
                prompts = ["7+5-3*4=", "8-9*3=", "4-6+9*3-8+5*7=", "1+1="] * 3
                asked = (client.completions.create(model="beads-1", prompt=p, temperature=0) for p in prompts)
                return prompts, await asyncio.gather(*asked)

        for prompt, answer in zip(*asyncio.run(ask_all())):
            made = alone(prompt)
            tokens = answer.choices[0].model_extra["fathom"]["tokens"]
            self.assertEqual([t["token"] for t in tokens], [t["token"] for t in made])
            self.assertEqual([t["depth"] for t in tokens], [t["depth"] for t in made])

    def test_chat(self):
        messages = [{"role": "user", "content": "7+5-3*4="}]
        answer = self.client.chat.completions.create(model="beads-1", messages=messages)
        text = "".join(token["text"] for token in alone("7+5-3*4="))
        self.assertEqual((answer.choices[0].message.role, answer.choices[0].message.content), ("assistant", text))
        stream = self.client.chat.completions.create(
            model="beads-1", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        said = [chunk.choices[0] for chunk in chunks if chunk.choices]
        self.assertEqual("".join(choice.delta.content or "" for choice in said), text)
        self.assertEqual(said[0].delta.role, "assistant")
        self.assertEqual(said[-1].finish_reason, "stop")
        depths = [choice.model_extra["fathom"]["depth"] for choice in said if "fathom" in choice.model_extra]
        self.assertEqual(depths, [token["depth"] for token in alone("7+5-3*4=")])
        self.assertEqual(chunks[-1].usage.completion_tokens, len(depths))

    def test_chat_stream_helper(self):
        messages = [{"role": "user", "content": "7+5="}]
        with self.client.chat.completions.stream(model="beads-1", messages=messages) as stream:
            for _ in stream:
                pass
            whole = stream.get_final_completion()
        self.assertEqual(whole.choices[0].message.content, "27")

    def test_completions_stream(self):
        stream = self.client.completions.create(model="beads-1", prompt="7+5=", temperature=0, stop="7", stream=True)
        chunks = list(stream)
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), "2")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    def test_errors(self):
        ask = self.client.completions.create
        with self.assertRaises(openai.BadRequestError) as found:
            ask(model="beads-1", prompt="1+" * 100)
        self.assertEqual(found.exception.code, "context_length_exceeded")
        self.assertIn("64 tokens", found.exception.message)
        self.assertIn("200 tokens", found.exception.message)
        with self.assertRaises(openai.BadRequestError) as found:
            ask(model="beads-1", prompt="1+1=", extra_body={"max_depth": 17})
        self.assertEqual(found.exception.param, "max_depth")
        with self.assertRaises(openai.BadRequestError) as found:
            ask(model="beads-1", prompt="1+1=", frequency_penalty=0.5)
        self.assertEqual(found.exception.code, "unsupported_parameter")
        with self.assertRaises(openai.NotFoundError):
            ask(model="gpt-4", prompt="1+1=")
        stranger = openai.OpenAI(base_url=self.url + "/v1", api_key="another", max_retries=0)
        with stranger, self.assertRaises(openai.AuthenticationError):
            stranger.models.list()
        with self.assertRaises(openai.RateLimitError):
            # Two requests of all 34 places: the second finds them taken.
            long = {"n": 34, "extra_body": {"ignore_eos": True, "depth": 16}}
            with ask(model="beads-1", prompt="1+1=", stream=True, **long) as stream:
                next(iter(stream))
                ask(model="beads-1", prompt="1+1=", **long)
        self.wait_until_idle()

    def test_cancellation(self):
        long = {"n": 30, "max_tokens": 60, "extra_body": {"ignore_eos": True, "depth": 16}}
        stream = self.client.completions.create(model="beads-1", prompt="1+1=", stream=True, **long)
        next(iter(stream))
        self.assertEqual(self.health()["running"], 2)
        stream.close()
        self.wait_until_idle()
        with self.assertRaises(openai.APITimeoutError):
            hurried = self.client.with_options(timeout=0.2)
            hurried.completions.create(model="beads-1", prompt="1+1=", **long)
        self.wait_until_idle()


if __name__ == "__main__":
    unittest.main()
