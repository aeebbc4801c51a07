package dcrbroker

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
)

// Policy says where the policy document is. The zero value is the one that
// ships with the broker.
type Policy struct {
	// reference is the value of POLICY.
	reference string
	// file is the path on this machine of one that is packed.
	file string
	// action and resource are the read that the functions need.
	action, resource string
}

// Where Lambda unpacks a function, and the names of files in its package.
const (
	task         = "/var/task/"
	packedPolicy = "policy.json"
	packedLogo   = "logo" // and the extension
)

// PolicyFile is a document on this machine, which is packed with the functions.
// It is checked when the stack is synthesised.
func PolicyFile(path string) Policy {
	return Policy{reference: task + packedPolicy, file: path}
}

// PolicyInParameter is a document in an SSM parameter. It is checked by the
// functions when they read it, and can be changed without deploying.
func PolicyInParameter(p awsssm.IParameter) Policy {
	return Policy{reference: "ssm:" + *p.ParameterName(), action: "ssm:GetParameter", resource: *p.ParameterArn()}
}

// PolicyInBucket is a document in an S3 object. It is checked by the functions
// when they read it, and can be changed without deploying. An object that is
// encrypted with a customer's key takes kms:Decrypt besides, to be granted to
// Broker.Functions.
func PolicyInBucket(b awss3.IBucket, key string) Policy {
	key = strings.TrimPrefix(key, "/")
	return Policy{
		reference: "s3://" + *b.BucketName() + "/" + key,
		action:    "s3:GetObject", resource: *b.ArnForObjects(&key),
	}
}
