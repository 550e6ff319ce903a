"""The OpenAPI document is valid OpenAPI 3.1, and complete enough for people and for generators."""
import json
import subprocess
import unittest

import clients


class OpenApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = subprocess.run([clients.BINARY / "bin" / "ragmesh-print-openapi"], check=True, capture_output=True).stdout
        cls.document = json.loads(cls.text)

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield f"{method.upper()} {path}", path, operation

    def test_validates(self):
        python = clients.python_with("openapi_spec_validator")
        check = "import json,sys; from openapi_spec_validator import validate; validate(json.load(sys.stdin))"
        done = subprocess.run([python, "-c", check], input=self.text, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_every_operation_is_described_and_named_once(self):
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))
        for name, _, operation in self.operations():
            self.assertTrue(operation.get("summary"), name)
            self.assertTrue(operation.get("description"), name)
            self.assertIn("default", operation["responses"], name)

    def test_every_path_variable_is_a_parameter(self):
        for name, path, operation in self.operations():
            wanted = {part.split("}")[0] for part in path.split("{")[1:]}
            given = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            self.assertEqual(wanted, given, name)

    def test_every_gateway_field_has_a_description(self):
        for name, schema in self.document["components"]["schemas"].items():
            if name.startswith(("gateway.", "common.")) and schema["type"] == "object":
                self.assertTrue(schema.get("description"), name)
                for field, value in schema.get("properties", {}).items():
                    self.assertTrue(value.get("description"), f"{name}.{field}")


if __name__ == "__main__":
    unittest.main()
