package signed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxSize is the maximum size of a document in bytes. Secrets Manager puts it
// into JSON, which may double its size, so maxAnswer is twice as much.
const maxSize = 256 << 10

// Fetch reads a document from its origin.
type Fetch func(context.Context) ([]byte, error)

// Document returns the Fetch for a reference: secretsmanager:ID, or the path of
// a file. It opens no connection, and fails for a malformed reference.
func Document(reference string, sdk aws.Config) (Fetch, error) {
	if id, ok := strings.CutPrefix(reference, "secretsmanager:"); ok {
		if id == "" {
			return nil, errors.New("secretsmanager: needs the name or ARN of a secret")
		}
		return secret(New("secretsmanager", sdk), id), nil
	}
	return func(context.Context) ([]byte, error) { return os.ReadFile(reference) }, nil
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
