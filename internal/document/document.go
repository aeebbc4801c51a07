// Package document reads documents that an operator keeps outside the broker,
// such as a policy, which is larger than a function's environment may be: from
// a file, an SSM parameter, an S3 object or a secret of Secrets Manager. It
// keeps them for a while and does without the origin while that fails.
package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// MaxSize is the largest document that is read, in bytes.
const MaxSize = 256 << 10

// Fetch reads a document from its origin.
type Fetch func(context.Context) ([]byte, error)

// At returns what fetches the document that reference names: ssm:NAME,
// s3://BUCKET/KEY, secretsmanager:ID, or else the path of a file. It connects to
// nothing, and fails for a reference that is not of its form.
func At(reference string, sdk aws.Config) (Fetch, error) {
	if name, ok := strings.CutPrefix(reference, "ssm:"); ok {
		if name == "" {
			return nil, errors.New("ssm: wants the name of a parameter, as in ssm:/dcr-broker/policy")
		}
		return parameter(ssm.NewFromConfig(sdk), name), nil
	}
	if id, ok := strings.CutPrefix(reference, "secretsmanager:"); ok {
		if id == "" {
			return nil, errors.New("secretsmanager: wants the name or ARN of a secret")
		}
		return secret(secretsmanager.NewFromConfig(sdk), id), nil
	}
	if rest, ok := strings.CutPrefix(reference, "s3://"); ok {
		bucket, key, _ := strings.Cut(rest, "/")
		if bucket == "" || key == "" {
			return nil, errors.New("s3:// wants bucket and key, as in s3://bucket/policy.json")
		}
		// An endpoint of one's own is rarely reached by a host per bucket.
		return object(s3.NewFromConfig(sdk, func(o *s3.Options) { o.UsePathStyle = sdk.BaseEndpoint != nil }), bucket, key), nil
	}
	return func(context.Context) ([]byte, error) { return os.ReadFile(reference) }, nil
}

func parameter(api *ssm.Client, name string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		out, err := api.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			return nil, fmt.Errorf("get parameter %s: %w", name, err)
		}
		if out.Parameter == nil || out.Parameter.Value == nil {
			return nil, fmt.Errorf("parameter %s has no value", name)
		}
		return []byte(*out.Parameter.Value), nil
	}
}

func secret(api *secretsmanager.Client, id string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		out, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			return nil, fmt.Errorf("get secret %s: %w", id, err)
		}
		if out.SecretString != nil {
			return []byte(*out.SecretString), nil
		}
		return out.SecretBinary, nil
	}
}

func object(api *s3.Client, bucket, key string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		out, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return nil, fmt.Errorf("get object s3://%s/%s: %w", bucket, key, err)
		}
		defer out.Body.Close()
		body, err := io.ReadAll(io.LimitReader(out.Body, MaxSize+1))
		if err != nil {
			return nil, fmt.Errorf("read object s3://%s/%s: %w", bucket, key, err)
		}
		if len(body) > MaxSize {
			return nil, fmt.Errorf("object s3://%s/%s is larger than %d bytes", bucket, key, MaxSize)
		}
		return body, nil
	}
}
