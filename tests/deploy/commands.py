"""Checks every command of Markdown pages, in code blocks and in running text, against its tool: `aws` against botocore's
model of the service, all others against their own --help. Writes what is wrong, and then ends with 1.

As a program: commands.py FOLDER PAGE..., where FOLDER has the binaries of this workspace.
"""

import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

VENV = Path(sys.executable).parent
# Words that begin a command.
TOOLS = {"aws", "cargo", "cdk", "npm", "npx", "sam"}
# Options of every command of `aws`.
GLOBAL = {"ca-bundle", "cli-binary-format", "cli-input-json", "color", "debug", "endpoint-url", "max-items", "output"}
GLOBAL |= {"no-cli-pager", "no-paginate", "no-sign-request", "page-size", "profile", "query", "region", "starting-token"}
# Where the AWS CLI has another name for a service.
SERVICES = {"deploy": "codedeploy"}
# Commands of the AWS CLI that are not operations of a service.
OWN = {
    ("configure", "export-credentials"): {"format"},
    ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"},
}
# Files that an answer is written to.
POSITIONAL = {("lambda", "invoke"): 1}
# npm runs scripts in the folder of the app, all else where it is called.
APP = Path("cdk")


class Wrong(Exception):
    pass


# The commands of a page


def commands_of(page):
    """Each command of a Markdown page, as its words."""
    block = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for language, text in block.findall(page):
        if language in ("sh", "bash"):
            yield from commands_in(text)
    for text in re.findall(r"`([^`]+)`", block.sub("", page)):
        # A character that is spoken of, a quote say, is no script.
        if any(tool in text for tool in TOOLS):
            yield from commands_in(" ".join(text.split()))


def commands_in(script):
    """Each command of a shell script that is for one of the tools, those in `$(...)` too."""
    plain, inner = unfolded(script)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words = []
    for word in [*lexer, "\n"]:
        if not set(word) <= set("();<>|&\n"):
            words.append(word)
            continue
        start = next((index for index, word in enumerate(words) if not is_prelude(word)), None)
        if start is not None and words[start].split("/")[-1] in TOOLS:
            yield [words[start].split("/")[-1], *words[start + 1 :]]
        words = []
    for text in inner:
        yield from commands_in(text)


def is_prelude(word):
    return word in ("do", "then", "else", "eval", "exec", "export", "time", "{", "!") or re.match(r"\w+=", word)


def unfolded(script):
    """`script` without comments, with a word in the place of each `$(...)`; and what is in those."""
    plain, inner, quote, index = "", [], None, 0
    while index < len(script):
        character = script[index]
        if character == "\\" and quote != "'":
            plain += script[index : index + 2].replace("\\\n", " ")
            index += 2
        elif character == "#" and quote is None and plain[-1:] in ("", " ", "\n"):
            index = script.find("\n", index) % (len(script) + 1)
        elif script.startswith("$(", index) and quote != "'":
            end = closing(script, index + 2)
            inner.append(script[index + 2 : end])
            plain += "SUBSTITUTED"
            index = end + 1
        else:
            if character in "\"'" and quote in (None, character):
                quote = character if quote is None else None
            plain += character
            index += 1
    return plain, inner


def closing(script, index):
    """Where the parenthesis closes that has been opened before `index`."""
    depth, quote = 1, None
    while depth:
        character = script[index]
        if character in "\"'" and quote in (None, character):
            quote = character if quote is None else None
        elif quote is None:
            depth += {"(": 1, ")": -1}.get(character, 0)
        index += 1
    return index - 1


# What is wrong with a command

# Commands of `cargo xtask`, and the programs that get their options.
PASSED_ON = {"bench": "bench", "dev": "local", "token": "token"}


def check(words, folder):
    """Raises `Wrong` unless the tool knows the command. `folder` has the binaries of this workspace."""
    tool, *rest = words
    if tool == "aws":
        return check_aws(rest)
    if tool == "npm":
        return check_npm(rest)
    if tool == "cdk" and len(rest) > 1 or tool == "npx" and rest[:1] == ["cdk"]:
        raise Wrong("npm has the app's own release of it: npm run --prefix cdk, or npm exec --prefix cdk")
    if tool == "sam":
        return check_options(rest, [VENV / "sam"])
    if rest[:1] == ["lambda"]:
        return check_options(rest[1:], [VENV / "cargo-lambda", "lambda"])
    if rest[:1] == ["xtask"]:
        # These pass all options on to another program.
        local = {name: [folder / program] for name, program in PASSED_ON.items()}
        program = local.get((rest[1:2] or [""])[0])
        return check_options(rest[2:], program, 0) if program else check_options(rest[1:], [folder / "xtask"])


def check_aws(words):
    service, operation, *rest = [*words, "", ""]
    rest = rest[:-2] if len(words) >= 2 else []
    given = options(rest)
    if (service, operation) in OWN:
        unknown = given.keys() - OWN[service, operation] - GLOBAL
        if unknown:
            raise Wrong(f"no option --{min(unknown)}")
        return
    try:
        model = service_model(service)
    except UnknownServiceError:
        raise Wrong(f"no service {service}") from None
    if operation == "wait":
        waiter, given = rest[0], options(rest[1:])
        names = {name: config["operation"] for name, config in waiters(service).items()}
        names = {xform_name(name, "-"): name_of for name, name_of in names.items()}
        if waiter not in names:
            raise Wrong(f"nothing waits for {waiter}")
        name = names[waiter]
    else:
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in operations:
            raise Wrong(f"{service} has no operation {operation}")
        name = operations[operation]
    shape = model.operation_model(name).input_shape
    members = {xform_name(member, "-"): (member, its) for member, its in (shape.members if shape else {}).items()}
    for option, values in given.items():
        negated = option.removeprefix("no-")
        if option in GLOBAL:
            continue
        if option not in members and not (negated in members and members[negated][1].type_name == "boolean"):
            raise Wrong(f"no option --{option}")
        if option in members:
            check_values(option, members[option][1], values, POSITIONAL.get((service, operation), 0))
    for member in shape.required_members if shape else []:
        option = xform_name(member, "-")
        generated = shape.members[member].metadata.get("idempotencyToken")
        if option not in given and f"no-{option}" not in given and not generated and "cli-input-json" not in given:
            raise Wrong(f"--{option} is missing")


def check_values(option, shape, values, positional):
    if shape.type_name == "boolean":
        if len(values) > positional:
            raise Wrong(f"--{option} takes no value")
        return
    if not values:
        raise Wrong(f"--{option} wants a value")
    for value in values[: len(values) - positional if shape.type_name == "list" else 1]:
        if "$" in value or "SUBSTITUTED" in value:
            continue
        if shape.type_name == "string" and getattr(shape, "enum", []) and value not in shape.enum:
            raise Wrong(f"--{option} is one of {', '.join(shape.enum)}")
        if shape.type_name in ("integer", "long") and not value.isdigit():
            raise Wrong(f"--{option} is a number")
        if shape.type_name == "structure":
            unknown = set(re.findall(r"(\w+)=", value)) - set(shape.members)
            if unknown:
                raise Wrong(f"--{option} has no {min(unknown)}")


def check_npm(words):
    given = words[: words.index("--")] if "--" in words else words
    passed = words[len(given) + 1 :]
    in_app = given[:1] == ["run"] and given[1:3] == ["--prefix", str(APP)]
    if given[:1] == ["run"]:
        scripts = json.loads((APP / "package.json").read_text(encoding="utf-8"))["scripts"]
        script = given[3] if in_app else given[1]
        if not in_app or script not in scripts:
            raise Wrong(f"cdk/package.json has no script {script}, or it is not run there: npm run --prefix cdk")
        passed = [*scripts[script].split(), *passed]
    if passed[:1] == ["cdk"]:
        check_options(passed[1:], [APP / "node_modules/.bin/cdk"])
        needs_app = passed[1] not in ("bootstrap", "init", "version")
        if needs_app and not in_app and "app" not in options(passed):
            raise Wrong("cdk finds its app in the folder cdk alone: --app, or npm run --prefix cdk")


def check_options(words, program, depth=None):
    """Raises `Wrong` unless `program` has the subcommand that `words` begin with, and all their options."""
    commands = []
    while depth is None and len(commands) < len(words) and re.fullmatch(r"[a-z][a-z-]*", words[len(commands)]):
        text = manual(*map(str, program), *commands)
        if not re.search(rf"^ +(?:cdk )?{re.escape(words[len(commands)])}\b", text, re.MULTILINE):
            break
        commands.append(words[len(commands)])
    if depth is None and not commands and words and not words[0].startswith("-"):
        raise Wrong(f"no command {words[0]}")
    text = manual(*map(str, program), *commands)
    known = set(re.findall(r"(?<![\w-])--?([A-Za-z][\w-]*)", text))
    rest = words[len(commands) :]
    rest = rest[: rest.index("--")] if "--" in rest else rest
    given = options(rest, single=True)
    for option in given:
        if option not in known:
            raise Wrong(f"no option {option}")
    usage = re.search(r"^Usage:.*", text, re.MULTILINE)
    # Without any option, it is the name of the command that is meant.
    for option in re.findall(r"--([a-z-]+) <", re.sub(r"\[.*?\]", "", usage[0])) if usage and given else []:
        if option not in given:
            raise Wrong(f"--{option} is missing")


def options(words, single=False):
    """Each option of `words`, with the values that follow it."""
    given, values = {}, []
    for word in words:
        dashes = "--?" if single else "--"
        match = re.fullmatch(dashes + r"([A-Za-z][\w-]*)(?:=(.*))?", word, re.DOTALL)
        if match:
            values = given.setdefault(match[1], [match[2]] if match[2] is not None else [])
        else:
            values.append(word)
    return given


@functools.cache
def manual(*program):
    run = subprocess.run([*program, "--help"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if run.returncode != 0:
        raise Wrong(f"{' '.join(program)} --help: {run.stderr.strip()}")
    # Programs colour their manuals.
    return re.sub(r"\x1b\[[0-9;]*m", "", run.stdout)


@functools.cache
def service_model(service):
    return botocore.session.get_session().get_service_model(SERVICES.get(service, service))


def waiters(service):
    return botocore.session.get_session().get_waiter_model(SERVICES.get(service, service))._waiter_config


def main():
    folder, *pages = sys.argv[1:]
    wrong, count = 0, 0
    for page in pages:
        for words in commands_of(Path(page).read_text(encoding="utf-8")):
            count += 1
            try:
                check(words, Path(folder))
            except Wrong as fault:
                wrong += 1
                print(f"{page}: {shlex.join(words)}: {fault}")
    print(f"{count} commands, {wrong} of them wrong")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
