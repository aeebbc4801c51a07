"""Prints a SAM template as CloudFormation processes it with the given parameters.

    transform.py TEMPLATE [NAME=VALUE...]

It does locally what AWS does in the cloud: it checks the parameters against their
constraints and the Rules, runs the SAM transform with AWS's own translator, resolves
conditions and replaces parameters. Values that are known only in the cloud (names of
resources, the account) stay functions. If it refuses a parameter, it prints the reason
on standard error and exits with status 1.
"""

import copy
import json
import os
import re
import sys

from samtranslator.yaml_helper import yaml_parse

NO_VALUE = {"Ref": "AWS::NoValue"}


def refuse(message):
    print(f"transform.py: {message}", file=sys.stderr)
    sys.exit(1)


def parameters(template, given):
    """Returns the value of each parameter as a string."""
    declared = template.get("Parameters", {})
    for name in given:
        if name not in declared:
            refuse(f"unknown parameter {name}")
    values = {}
    for name, p in declared.items():
        if name not in given and "Default" not in p:
            refuse(f"{name}: has no default")
        value = str(given.get(name, p.get("Default")))
        if "AllowedValues" in p and value not in map(str, p["AllowedValues"]):
            refuse(f"{name}: {value!r} is not allowed")
        if "AllowedPattern" in p and not re.fullmatch(p["AllowedPattern"], value):
            refuse(f"{name}: {value!r} does not match {p['AllowedPattern']}")
        if p["Type"] == "Number":
            if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
                refuse(f"{name}: {value!r} is not a number")
            if float(value) < float(p.get("MinValue", "-inf")) or float(value) > float(p.get("MaxValue", "inf")):
                refuse(f"{name}: {value} is out of range")
        if len(value) > int(p.get("MaxLength", 4096)):
            refuse(f"{name}: is too long")
        values[name] = value
    return values


class Resolver:
    def __init__(self, template, values, pseudo):
        self.conditions = template.get("Conditions", {})
        self.known = {**values, **pseudo}

    def condition(self, c):
        """Reports whether a condition, given by name or as a function, is true."""
        if isinstance(c, str):
            if c not in self.conditions:
                raise ValueError(f"unknown condition {c}")
            return self.condition(self.conditions[c])
        ((function, argument),) = c.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Not":
            return not self.condition(argument[0])
        if function == "Fn::And":
            return all([self.condition(a) for a in argument])
        if function == "Fn::Or":
            return any([self.condition(a) for a in argument])
        left, right = (self.value(a) for a in argument)
        if function == "Fn::Equals":
            return str(left) == str(right)
        if function == "Fn::Contains":
            return right in left
        raise ValueError(f"{function} in a condition")

    def value(self, v):
        if isinstance(v, list):
            return [r for r in map(self.value, v) if r != NO_VALUE]
        if not isinstance(v, dict):
            return v
        if set(v) == {"Ref"} and v["Ref"] in self.known:
            return self.known[v["Ref"]]
        if set(v) == {"Fn::If"}:
            name, then, otherwise = v["Fn::If"]
            return self.value(then if self.condition(name) else otherwise)
        if set(v) == {"Fn::Sub"}:
            return self.sub(v["Fn::Sub"])
        out = {k: self.value(x) for k, x in v.items()}
        out = {k: x for k, x in out.items() if x != NO_VALUE}
        if set(v) == {"Fn::Join"}:
            separator, parts = out["Fn::Join"]
            if all(isinstance(p, (str, int)) for p in parts):
                return separator.join(map(str, parts))
        if set(v) == {"Fn::Split"}:
            separator, text = out["Fn::Split"]
            if isinstance(text, str):
                return text.split(separator)
        if set(v) == {"Fn::Select"}:
            index, members = out["Fn::Select"]
            if isinstance(members, list):
                return members[int(index)]
        return out

    def sub(self, argument):
        text, names = argument if isinstance(argument, list) else (argument, {})
        names = {k: self.value(x) for k, x in names.items()}
        unresolved = {k: x for k, x in names.items() if not isinstance(x, (str, int))}

        def replace(match):
            name = match[1]
            if name in unresolved:
                return match[0]
            return str(names.get(name, self.known.get(name, match[0])))

        text = re.sub(r"\$\{([A-Za-z0-9:.]+)\}", replace, text)
        if unresolved:
            return {"Fn::Sub": [text, unresolved]}
        return {"Fn::Sub": text} if re.search(r"\$\{[^!]", text) else text


def check_rules(template, resolver):
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not resolver.condition(rule["RuleCondition"]):
            continue
        for a in rule["Assertions"]:
            if not resolver.condition(a["Assert"]):
                refuse(f"{name}: {a['AssertDescription']}")


def main(path, arguments):
    with open(path, encoding="utf-8") as f:
        template = json.loads(json.dumps(yaml_parse(f.read())))
    given = dict(a.split("=", 1) for a in arguments)
    region = given.pop("AWS::Region", "us-east-1")
    values = parameters(template, given)
    check_rules(template, Resolver(template, values, {"AWS::Region": region}))
    resolver = Resolver(template, values, {})

    from samtranslator.translator.transform import transform  # slow, so only here

    # The translator needs a region, for features that this template does not use.
    os.environ.setdefault("AWS_DEFAULT_REGION", region)
    # The location that `sam package` would set.
    for name, r in template["Resources"].items():
        if r["Type"] == "AWS::Serverless::Function":
            r["Properties"]["CodeUri"] = f"s3://packaged/{name}.zip"
    if "CodeUri" in template.get("Globals", {}).get("Function", {}):
        del template["Globals"]["Function"]["CodeUri"]
    result = transform(template, copy.deepcopy(values), None)

    resources = {}
    for name, r in result["Resources"].items():
        condition = r.pop("Condition", None)
        if condition is None or resolver.condition(condition):
            resources[name] = resolver.value(r)
    for r in resources.values():
        needs = r.get("DependsOn", [])
        needs = [needs] if isinstance(needs, str) else needs
        if needs:
            r["DependsOn"] = [n for n in needs if n in resources]
    outputs = {}
    for name, o in result.get("Outputs", {}).items():
        condition = o.pop("Condition", None)
        if condition is None or resolver.condition(condition):
            outputs[name] = resolver.value(o)
    json.dump({"Resources": resources, "Outputs": outputs}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1], sys.argv[2:])
