package dcrbroker

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
)

// Policy is the location of the policy document. The zero value is the broker's
// default policy.
type Policy struct {
	// reference is the value of POLICY.
	reference string
	// file is the path on this machine of a document that is packed with the
	// functions.
	file string
	// action and resource are the permission that the functions need to read it.
	action, resource string
}

// The directory to which Lambda unpacks a function, and names of files in its
// package.
const (
	task         = "/var/task/"
	packedPolicy = "policy.json"
	packedLogo   = "logo" // plus the extension
)

// PolicyFile is a document on this machine. It is packed with the functions, and
// checked when the stack is synthesised.
func PolicyFile(path string) Policy {
	return Policy{reference: task + packedPolicy, file: path}
}

// PolicyInParameter is a document in an SSM parameter. The functions check it
// when they read it. It can be changed without a deployment.
func PolicyInParameter(p awsssm.IParameter) Policy {
	return Policy{reference: "ssm:" + *p.ParameterName(), action: "ssm:GetParameter", resource: *p.ParameterArn()}
}

// PolicyInBucket is a document in an S3 object. The functions check it when
// they read it. It can be changed without a deployment. If the object is
// encrypted with a customer managed key, grant kms:Decrypt to Broker.Functions
// as well.
func PolicyInBucket(b awss3.IBucket, key string) Policy {
	key = strings.TrimPrefix(key, "/")
	return Policy{
		reference: "s3://" + *b.BucketName() + "/" + key,
		action:    "s3:GetObject", resource: *b.ArnForObjects(&key),
	}
}
