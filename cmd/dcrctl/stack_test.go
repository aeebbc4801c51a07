package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

// stack NAME [FILE]: makes a stack in the local CloudFormation, which has the
// text of the file as its output OperatorEnvironment.
func makeStack(ts *testscript.TestScript, _ bool, args []string) {
	endpoint := ts.Getenv("AWS_ENDPOINT_URL_STS")
	ts.Setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", endpoint)
	outputs := map[string]any{"Topic": map[string]any{"Value": map[string]string{"Ref": "Topic"}}}
	if len(args) > 1 {
		outputs[stackOutput] = map[string]string{"Value": ts.ReadFile(args[1])}
	}
	template, err := yaml.Marshal(map[string]any{
		"Resources": map[string]any{"Topic": map[string]string{"Type": "AWS::SNS::Topic"}}, "Outputs": outputs,
	})
	ts.Check(err)
	sdk, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion("us-east-1"))
	ts.Check(err)
	api := cloudformation.NewFromConfig(sdk, func(o *cloudformation.Options) { o.BaseEndpoint = &endpoint })
	_, err = api.CreateStack(context.Background(), &cloudformation.CreateStackInput{StackName: &args[0], TemplateBody: aws.String(string(template))})
	ts.Check(err)
}

// cloudformation STATUS FILE: from now on CloudFormation gives this answer.
func answerOfCloudFormation(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	body := ts.ReadFile(args[1])
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "DescribeStacks" || r.Form.Get("StackName") != "broker" ||
			!strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			http.Error(w, "not a signed DescribeStacks of the stack broker", http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	ts.Defer(srv.Close)
	ts.Setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", srv.URL)
}
