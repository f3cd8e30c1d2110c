"""Evaluates a CloudFormation template with given parameters, for the checks before a deployment."""

import json
import re

NOTHING = object()


class Template:
    """A template, without the resources and values that its parameters and conditions exclude."""

    def __init__(self, template, parameters):
        self.conditions = template.get("Conditions", {})
        self.parameters = dict(parameters)
        for name, declared in template.get("Parameters", {}).items():
            value = self.parameters.get(name, declared.get("Default", ""))
            is_list = declared["Type"] in ("CommaDelimitedList", "List<String>")
            self.parameters[name] = str(value).split(",") if is_list else str(value)
        self.resources = {
            name: self.value(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    def of_type(self, *kinds):
        """The properties of all resources of these types."""
        return [it.get("Properties", {}) for it in self.resources.values() if it["Type"] in kinds]

    def holds(self, name):
        return self.value(self.conditions[name])

    def value(self, it):
        """`it` with parameters and conditions resolved; references that only AWS can resolve remain."""
        if isinstance(it, list):
            return [value for value in map(self.value, it) if value is not NOTHING]
        if not isinstance(it, dict):
            return it
        if len(it) == 1:
            ((function, operand),) = it.items()
            if function == "Fn::If":
                name, yes, no = operand
                return self.value(yes if self.holds(name) else no)
            if function == "Ref":
                return NOTHING if operand == "AWS::NoValue" else self.parameters.get(operand, it)
            if function == "Condition" and isinstance(operand, str):
                return self.holds(operand)
            if function in FUNCTIONS:
                value = FUNCTIONS[function](self.value(operand))
                return it if value is None else value
        values = {name: self.value(value) for name, value in it.items()}
        return {name: value for name, value in values.items() if value is not NOTHING}


def text(it):
    """A value as text, as CloudFormation compares it."""
    return str(it).lower() if isinstance(it, bool) else str(it)


def joined(operand):
    separator, parts = operand
    return separator.join(parts) if all(isinstance(part, str) for part in parts) else None


def selected(operand):
    index, parts = operand
            # SAM replaces a reference to a list by the list's text.
    parts = parts.split(",") if isinstance(parts, str) else parts
    return parts[int(index)] if isinstance(parts, list) else None


FUNCTIONS = {
    "Fn::Equals": lambda sides: text(sides[0]) == text(sides[1]),
    "Fn::Not": lambda sides: not sides[0],
    "Fn::And": all,
    "Fn::Or": any,
    "Fn::Join": joined,
    "Fn::Select": selected,
}


class Facts:
    """The properties of a stack that the checks of an account need."""

    def __init__(self, template, parameters):
        self.template = Template(template, parameters)
        functions = self.template.of_type("AWS::Lambda::Function")
        # `migrate` connects with a password, and does not count.
        self.functions = [it for it in functions if variables(it).get("DB_AUTH") == "iam"]

    @property
    def reserved(self):
        """The sum of the reserved concurrency of all functions."""
        functions = self.template.of_type("AWS::Lambda::Function")
        return sum(int(it.get("ReservedConcurrentExecutions", 0)) for it in functions)

    @property
    def engine_version(self):
        return next((it["EngineVersion"] for it in self.template.of_type("AWS::RDS::DBCluster")), None)

    @property
    def has_proxy(self):
        return bool(self.template.of_type("AWS::RDS::DBProxy"))

    @property
    def zones(self):
        """The subnets' zones in order: each as a name, or as an index into the region's zones."""
        zones = []
        for subnet in self.template.of_type("AWS::EC2::Subnet"):
            zone = subnet.get("AvailabilityZone")
            if isinstance(zone, dict) and "Fn::Select" in zone:
                zone = int(zone["Fn::Select"][0])
            if zone not in zones:
                zones.append(zone)
        return sorted(zones)

    def mentions(self, it, kind):
        """Whether `it` refers to a resource of the type `kind`."""
        names = "|".join(name for name, resource in self.template.resources.items() if resource["Type"] == kind)
        return bool(names) and re.search(rf"\b({names})\b", json.dumps(it)) is not None

    @property
    def way(self):
        """How functions reach the database: `proxy` or `direct`."""
        hosts = [variables(function)["DB_HOST"] for function in self.functions]
        return "proxy" if self.mentions(hosts, "AWS::RDS::DBProxy") else "direct"

    @property
    def ways(self):
        """All ways that functions may use, by their permissions to log in."""
        roles = {function["Role"]["Fn::GetAtt"][0] for function in self.functions}
        managed = {
            referred(policy)
            for name in roles
            for policy in self.template.resources[name]["Properties"].get("ManagedPolicyArns", [])
        }
        grants = [
            statement["Resource"]
            for name, resource in self.template.resources.items()
            if name in roles | managed
            or not roles.isdisjoint(map(referred, resource.get("Properties", {}).get("Roles", [])))
            for statement in statements(resource)
            if "rds-db:connect" in statement["Action"]
        ]
        kinds = {"proxy": "AWS::RDS::DBProxy", "direct": "AWS::RDS::DBCluster"}
        return {way for way, kind in kinds.items() if self.mentions(grants, kind)}

    @property
    def cache(self):
        """Which functions use the cache: `false` none, `writes` those that write, `true` all."""
        cached = [variables(function) for function in self.functions if "CACHE_URL" in variables(function)]
        users = {of_function["DB_USER"] for of_function in cached}
        return "true" if "catalog_reader" in users else "writes" if users else "false"

    @property
    def has_alarm_email(self):
        return bool(self.template.of_type("AWS::SNS::Subscription")) or any(
            "Subscription" in topic for topic in self.template.of_type("AWS::SNS::Topic")
        )

    @property
    def bootstrap(self):
        """The name of the SSM parameter that CDK's bootstrap creates; None without CDK."""
        return self.template.parameters.get("BootstrapVersion")


def variables(function):
    return function.get("Environment", {}).get("Variables", {})


def referred(it):
    """The logical id that `it` refers to."""
    return it.get("Ref") if isinstance(it, dict) else None


def statements(it):
    """All statements of policies in `it`."""
    if isinstance(it, dict):
        if "Action" in it and "Resource" in it:
            yield it
        for value in it.values():
            yield from statements(value)
    elif isinstance(it, list):
        for value in it:
            yield from statements(value)
