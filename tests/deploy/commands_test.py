"""Which commands of a page are found, and which faults are reported."""

import sys
import unittest
from pathlib import Path

from commands import Wrong, check, commands_of

FOLDER = Path(sys.argv.pop(1))


class Found(unittest.TestCase):
    def found(self, page):
        return [" ".join(words) for words in commands_of(page)]

    def test_in_blocks_with_all_that_a_shell_has(self):
        page = """Text.
```sh
export A=b X=$PWD   # a comment with `ticks` and aws words
stack=s id=$(aws sts get-caller-identity --query "a[?b=='c']" \\
  --output text)
for i in 1 2; do
  aws s3api list-buckets | sed 's/aws x/$(y)/' > out.json
done
eval "$(aws configure export-credentials --format env)" && .local/bin/sam delete --stack-name "$(
  aws rds describe-db-clusters --query "$(cargo xtask token)")"
echo sam deploy
```
```json
{"aws": "sam build"}
```
"""
        self.assertEqual(
            self.found(page),
            [
                "aws s3api list-buckets",
                "sam delete --stack-name SUBSTITUTED",
                "aws sts get-caller-identity --query a[?b=='c'] --output text",
                "aws configure export-credentials --format env",
                "aws rds describe-db-clusters --query SUBSTITUTED",
                "cargo xtask token",
            ],
        )

    def test_in_running_text(self):
        page = "Run `aws deploy stop-deployment\n--deployment-id X`, not `deploy.sam` or `the aws cli`.\n"
        self.assertEqual(self.found(page), ["aws deploy stop-deployment --deployment-id X"])


class Checked(unittest.TestCase):
    def test_what_each_tool_takes(self):
        for command in [
            "aws deploy stop-deployment --deployment-id d-1 --auto-rollback-enabled",
            "aws rds modify-db-cluster --db-cluster-identifier a --no-deletion-protection --apply-immediately",
            "aws lambda invoke --function-name a --payload '{}' out.json --region x",
            "aws cloudformation wait stack-delete-complete --stack-name a",
            "aws elasticache modify-user --user-id a --authentication-mode Type=password,Passwords=A,B",
            "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name a",
            "sam local invoke get-product -e a --env-vars b",
            "cargo xtask deploy",
            "cargo xtask deploy --stage dev --with cdk",
            "cargo xtask dev --auth none",
            "cargo lambda build --release --arm64 --bin a",
            "npm run --prefix cdk diff -- atelier-cdk-dev",
            "npm exec --prefix cdk -- cdk bootstrap aws://1/eu-central-1",
            "npm exec --prefix cdk -- cdk destroy --app cdk/cdk.out atelier-cdk-dev",
            "cdk deploy",
        ]:
            with self.subTest(command):
                (words,) = commands_of(f"`{command}`")
                check(words, FOLDER)

    def test_what_none_takes(self):
        for command, fault in {
            "aws deploy stop-deployment --auto-rollback-enabled": "--deployment-id is missing",
            "aws cloudfront-mation describe-stacks": "no service cloudfront-mation",
            "aws rds remove-db-cluster": "rds has no operation remove-db-cluster",
            "aws rds modify-db-cluster --db-cluster-identifier a --unprotected": "no option --unprotected",
            "aws rds modify-db-cluster --db-cluster-identifier a --no-engine-version": "no option --no-engine-version",
            "aws rds modify-db-cluster --db-cluster-identifier": "--db-cluster-identifier wants a value",
            "aws rds modify-db-cluster --db-cluster-identifier a --apply-immediately yes": "takes no value",
            "aws cloudformation wait stack-gone --stack-name a": "nothing waits for stack-gone",
            "aws cloudformation delete-stack --stack-name a --deletion-mode NOW": "is one of",
            "aws kms schedule-key-deletion --key-id a --pending-window-in-days week": "is a number",
            "aws elasticache modify-user --user-id a --authentication-mode Kind=password": "has no Kind",
            "aws configure export-credentials --style env": "no option --style",
            "sam deploy --stage dev": "no option stage",
            "sam launch --x": "no command launch",
            "cargo xtask deploy --dry-run": "--stage is missing",
            "cargo xtask deploy --stage dev --using cdk": "no option using",
            "cargo xtask publish": "no command publish",
            "cargo xtask dev --authentication none": "no option authentication",
            "cargo lambda build --arm": "no option arm",
            "npm exec --prefix cdk -- cdk destroy atelier-cdk-dev": "cdk finds its app in the folder cdk alone",
            "npm run --prefix cdk remove -- atelier-cdk-dev": "has no script remove",
            "npm run --prefix cdk deploy -- --sure": "no option sure",
            "cdk destroy atelier-cdk-dev": "npm has the app's own release of it",
        }.items():
            with self.subTest(command):
                (words,) = commands_of(f"`{command}`")
                with self.assertRaises(Wrong) as refused:
                    check(words, FOLDER)
                self.assertIn(fault, str(refused.exception))


if __name__ == "__main__":
    unittest.main()
