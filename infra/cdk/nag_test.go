package dcrbroker_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// The construct complies with cdk-nag's AwsSolutions, except for rules that it
// suppresses with a reason.
func TestNag(t *testing.T) {
	w := newApp(t)
	for id, p := range map[string]dcrbroker.Props{
		"Made":   {},
		"Direct": {Mode: dcrbroker.Direct},
		"Edge": {
			Tracing: true,
			Domain:  &dcrbroker.Domain{Name: "auth.example.com", CertificateARN: "arn:aws:acm:us-east-1:111122223333:certificate/a", HostedZoneID: "Z0123456789"},
			Edge:    &dcrbroker.Edge{},
		},
	} {
		stack := awscdk.NewStack(w.app, &id, &awscdk.StackProps{Env: &awscdk.Environment{Region: jsii.String("us-east-1")}})
		p.Dist = dist
		dcrbroker.New(stack, "Broker", &p)
	}
	awscdk.Aspects_Of(w.app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{
		ReportFormats: &[]cdknag.NagReportFormat{cdknag.NagReportFormat_CSV},
	}), nil)
	if err := w.synth(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, stack := range []string{"Made", "Direct", "Edge"} {
		f, err := os.Open(filepath.Join(w.out, "AwsSolutions-"+stack+"-NagReport.csv"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			rule, resource, compliance, info := row[0], row[1], row[2], row[5]
			seen[strings.TrimPrefix(rule, "AwsSolutions-")] = true
			if compliance != "Compliant" && compliance != "Suppressed" {
				t.Errorf("%s: %s %s: %s", resource, rule, compliance, info)
			}
		}
	}
	// These rules are in the report only if cdk-nag has run.
	for _, rule := range []string{"APIG1", "APIG4", "CFR2", "CFR4", "COG1", "DDB3", "IAM4", "IAM5", "SMG4", "SQS3", "SQS4"} {
		if !seen[rule] {
			t.Errorf("the report of cdk-nag does not have %s", rule)
		}
	}
}
