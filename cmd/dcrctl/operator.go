package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	usecases "github.com/dcr-broker/dcr-broker/internal/wire/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// operator has what every command needs: input and output, the environment, the
// clock and the flags that all commands have.
type operator struct {
	in       io.Reader
	out      io.Writer
	errs     io.Writer
	getenv   func(string) string
	now      func() time.Time
	json     bool
	auditLog string

	opened []io.Closer
}

// close closes the audit log if a command opened it.
func (op *operator) close() error {
	for _, c := range op.opened {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// infof writes a message to standard error. Standard output is for results.
func (op *operator) infof(format string, args ...any) {
	fmt.Fprintln(op.errs, lines(fmt.Sprintf(format, args...)))
}

// tableOnly returns the dependencies of commands that work only on the table.
func (op *operator) tableOnly(ctx context.Context) (*environment.Environment, aws.Config, *records.Store, error) {
	c, err := environment.Operator(op.getenv)
	if err != nil {
		return nil, aws.Config{}, nil, &environmentError{err}
	}
	sdk, err := op.sdk(ctx, c.Region)
	if err != nil {
		return nil, sdk, nil, err
	}
	return c, sdk, wire.Table(c, sdk), nil
}

// sdk returns the configuration of AWS clients. It checks that there are
// credentials, so that the error is about them and not about the first call.
func (op *operator) sdk(ctx context.Context, region string) (aws.Config, error) {
	// The SDK would log details of connections, which do not help an operator.
	// Errors are returned in any case.
	sdk, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithLogger(logging.Nop{}))
	if err == nil {
		_, err = sdk.Credentials.Retrieve(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return sdk, &environmentError{&credentialsError{err}}
	}
	return sdk, err
}

// deployment is the deployment that the environment describes, for commands that
// change clients or the user pool.
type deployment struct {
	*usecases.UseCases
	parts  *wire.Parts
	config *environment.Environment
	store  *records.Store
	// caller is the operator's name in audit events and records.
	caller string
}

// deployment returns the dependencies of commands that change clients or the
// user pool.
func (op *operator) deployment(ctx context.Context) (*deployment, error) {
	c, err := environment.AppClients(op.getenv)
	if err != nil {
		return nil, &environmentError{err}
	}
	sdk, err := op.sdk(ctx, c.Region)
	if err != nil {
		return nil, err
	}
	log, err := op.log()
	if err != nil {
		return nil, err
	}
	d, err := deploymentOf(c, sdk, log, op.caller(ctx, sdk))
	if err != nil {
		return nil, &environmentError{err}
	}
	return d, nil
}

// deploymentOf returns the deployment that c describes. caller is the operator's
// name.
func deploymentOf(c *environment.Environment, sdk aws.Config, log *slog.Logger, caller string) (*deployment, error) {
	p, err := wire.New(c, sdk, log)
	if err != nil {
		return nil, err
	}
	p.Operator = caller
	table := wire.Table(c, sdk)
	get := wire.Configuration(c, table.Configuration(), p.Now, slog.New(slog.DiscardHandler)).Get
	p.Configuration = func(ctx context.Context) (*configuration.Configuration, error) {
		conf, err := get(ctx)
		return conf, causeOf(err)
	}
	useCases, err := usecases.New(p)
	return &deployment{UseCases: useCases, parts: p, config: c, store: table, caller: caller}, err
}

// caller returns the operator's name: the ARN that STS returns, which needs no
// permission, or the name of this machine's user if STS does not answer. With a
// local DynamoDB, STS is not called unless it has an endpoint, too.
func (op *operator) caller(ctx context.Context, sdk aws.Config) string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if op.getenv("DYNAMODB_ENDPOINT") != "" && op.getenv("AWS_ENDPOINT_URL_STS") == "" {
		return name
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out, err := sts.NewFromConfig(sdk).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(out.Arn) == "" {
		return name
	}
	return aws.ToString(out.Arn)
}

// withEnvFile returns a getenv that falls back to the variables in the file.
func withEnvFile(name string, getenv func(string) string) (func(string) string, error) {
	body, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, err := parseEnv(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// The SDK reads these from the environment of the process.
	for _, name := range []string{"AWS_REGION", "AWS_PROFILE"} {
		if v := file[name]; v != "" && getenv(name) == "" {
			os.Setenv(name, v)
		}
	}
	return func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return file[name]
	}, nil
}

// parseEnv reads a JSON object of strings, as aws lambda
// get-function-configuration prints it, or lines of NAME=VALUE.
func parseEnv(body []byte) (map[string]string, error) {
	vars := make(map[string]string)
	if text := strings.TrimSpace(string(body)); strings.HasPrefix(text, "{") {
		if err := json.Unmarshal(body, &vars); err != nil {
			return nil, fmt.Errorf("not a JSON object of strings: %w", err)
		}
		return vars, nil
	}
	n := 0
	for line := range strings.Lines(string(body)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d is not NAME=VALUE", n) // the line may hold a secret
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		vars[name] = value
	}
	return vars, nil
}
