package signed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// MaxSize is the maximum size of a document in bytes. SSM and Secrets Manager
// put it into JSON, which may double its size, so MaxAnswer is twice as much.
const MaxSize = 256 << 10

// Fetch reads a document from its origin.
type Fetch func(context.Context) ([]byte, error)

// Document returns the Fetch for a reference: ssm:NAME, s3://BUCKET/KEY,
// secretsmanager:ID, or the path of a file. It opens no connection, and fails
// for a malformed reference.
func Document(reference string, sdk aws.Config) (Fetch, error) {
	if name, ok := strings.CutPrefix(reference, "ssm:"); ok {
		if name == "" {
			return nil, errors.New("ssm: needs the name of a parameter, as in ssm:/dcr-broker/policy")
		}
		return parameter(New("ssm", sdk), name), nil
	}
	if id, ok := strings.CutPrefix(reference, "secretsmanager:"); ok {
		if id == "" {
			return nil, errors.New("secretsmanager: needs the name or ARN of a secret")
		}
		return secret(New("secretsmanager", sdk), id), nil
	}
	if rest, ok := strings.CutPrefix(reference, "s3://"); ok {
		bucket, key, _ := strings.Cut(rest, "/")
		if bucket == "" || key == "" {
			return nil, errors.New("s3:// needs bucket and key, as in s3://bucket/policy.json")
		}
		return object(sdk, bucket, key), nil
	}
	return func(context.Context) ([]byte, error) { return os.ReadFile(reference) }, nil
}

func parameter(ssm Service, name string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		in := struct {
			Name           string
			WithDecryption bool
		}{name, true}
		var out struct{ Parameter struct{ Value *string } }
		if err := ssm.Call(ctx, "AmazonSSM.GetParameter", in, &out); err != nil {
			return nil, fmt.Errorf("get parameter %s: %w", name, err)
		}
		if out.Parameter.Value == nil {
			return nil, fmt.Errorf("parameter %s has no value", name)
		}
		return []byte(*out.Parameter.Value), nil
	}
}

func secret(manager Service, id string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		in := struct{ SecretId string }{id}
		var out struct {
			SecretString *string
			SecretBinary []byte
		}
		if err := manager.Call(ctx, "secretsmanager.GetSecretValue", in, &out); err != nil {
			return nil, fmt.Errorf("get secret %s: %w", id, err)
		}
		if out.SecretString != nil {
			return []byte(*out.SecretString), nil
		}
		return out.SecretBinary, nil
	}
}

func object(sdk aws.Config, bucket, key string) Fetch {
	s3, url := New("s3", sdk), objectURL(sdk, bucket, key)
	return func(ctx context.Context) ([]byte, error) {
		a, err := s3.Send(ctx, Request{Method: http.MethodGet, URL: url})
		if err != nil {
			return nil, fmt.Errorf("get object s3://%s/%s: %w", bucket, key, err)
		}
		if len(a.Body) > MaxSize {
			return nil, fmt.Errorf("object s3://%s/%s is larger than %d bytes", bucket, key, MaxSize)
		}
		return a.Body, nil
	}
}

// objectURL puts the bucket into the host name. It puts the bucket into the
// path in two cases: if its name has a dot, because S3's certificate does not
// cover such a host, and if the operator has set another endpoint, which rarely
// has a host for each bucket.
func objectURL(sdk aws.Config, bucket, key string) string {
	endpoint, path := New("s3", sdk).Endpoint(), "/"+httpbinding.EscapePath(key, false)
	if sdk.BaseEndpoint != nil || strings.Contains(bucket, ".") {
		return endpoint + "/" + bucket + path
	}
	return strings.Replace(endpoint, "://", "://"+bucket+".", 1) + path
}
