"""Prints the variables that `sam local invoke FUNCTION --env-vars FILE` sets for a function: {name: value}."""

import json
import sys

from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables

name, file = sys.argv[1:]
with open(file, encoding="utf-8") as overrides:
    overrides = json.load(overrides)["Parameters"]
stacks, _ = SamLocalStackProvider.get_stacks("template.yaml")
declared = SamFunctionProvider(stacks).get(name).environment["Variables"]
resolved = EnvironmentVariables(variables=declared, override_values=overrides).resolve()
json.dump({name: resolved[name] for name in declared}, sys.stdout)
