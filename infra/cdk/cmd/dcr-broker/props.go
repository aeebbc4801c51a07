package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// props returns the construct's props for the settings.
func (s *settings) props(stack awscdk.Stack) (*dcrbroker.Props, error) {
	p := &dcrbroker.Props{
		Mode: dcrbroker.Mode(s.Authorization), DeploymentID: s.DeploymentID, LogLevel: s.LogLevel,
		CognitoDomain: s.CognitoDomain, CognitoIssuer: s.CognitoIssuer, LoginVersion: s.LoginVersion, DomainPrefix: s.UserPoolDomainPrefix,
		Scopes: s.Scopes,
		Throttle: dcrbroker.Throttle{
			Default: dcrbroker.Rate{PerSecond: s.ThrottleRate, Burst: s.ThrottleBurst}, Register: dcrbroker.Rate{PerSecond: s.RegisterRate, Burst: s.RegisterBurst},
			Authorize: dcrbroker.Rate{PerSecond: s.AuthorizeRate, Burst: s.AuthorizeBurst}, Token: dcrbroker.Rate{PerSecond: s.TokenRate, Burst: s.TokenBurst},
		},
		ReservedConcurrency: s.ReservedConcurrency, Tracing: s.Tracing == "xray",
		Dist: s.Dist, SourceDir: s.SourceDir,
	}
	return p, errors.Join(s.domain(p), s.operation(stack, p))
}

func (s *settings) domain(p *dcrbroker.Props) error {
	if s.DomainName != "" {
		p.Domain = &dcrbroker.Domain{Name: s.DomainName, CertificateARN: s.CertificateARN, HostedZoneID: s.HostedZoneID}
	} else if s.CertificateARN != "" || s.HostedZoneID != "" {
		return errors.New("context certificateArn and hostedZoneId: require domainName")
	}
	if s.OwnEdge != "none" {
		p.OwnEdge = dcrbroker.OwnEdge(s.OwnEdge)
	}
	if s.EdgeProtection {
		p.Edge = &dcrbroker.Edge{CertificateARN: s.EdgeCertificateARN, WebACLARN: s.WebACLARN, PerAddress: s.EdgePerAddress, RegisterPerAddress: s.EdgeRegisterPerAddress, SecretVersion: s.EdgeSecretVersion}
	} else if s.EdgeCertificateARN != "" || s.WebACLARN != "" || s.EdgePerAddress != 0 || s.EdgeRegisterPerAddress != 0 || s.EdgeSecretVersion != 0 {
		return errors.New("context edgeCertificateArn, webAclArn, edgePerAddress, edgeRegisterPerAddress and edgeSecretVersion: require edgeProtection=true")
	}
	return nil
}

// retention maps days to the CDK's values for the retention of logs in
// CloudWatch.
var retention = map[int]awslogs.RetentionDays{
	0: "", 1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS, 7: awslogs.RetentionDays_ONE_WEEK,
	14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH, 60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS,
	120: awslogs.RetentionDays_FOUR_MONTHS, 150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	400: awslogs.RetentionDays_THIRTEEN_MONTHS, 545: awslogs.RetentionDays_EIGHTEEN_MONTHS, 731: awslogs.RetentionDays_TWO_YEARS,
	1096: awslogs.RetentionDays_THREE_YEARS, 1827: awslogs.RetentionDays_FIVE_YEARS, 2192: awslogs.RetentionDays_SIX_YEARS,
	2557: awslogs.RetentionDays_SEVEN_YEARS, 2922: awslogs.RetentionDays_EIGHT_YEARS, 3288: awslogs.RetentionDays_NINE_YEARS, 3653: awslogs.RetentionDays_TEN_YEARS,
}

func (s *settings) operation(stack awscdk.Stack, p *dcrbroker.Props) error {
	if s.UserPoolID != "" {
		p.UserPool = awscognito.UserPool_FromUserPoolId(stack, jsii.String("UserPool"), &s.UserPoolID)
	}
	if s.AlarmTopicARN != "" {
		p.AlarmTopic = awssns.Topic_FromTopicArn(stack, jsii.String("AlarmTopic"), &s.AlarmTopicARN)
	}
	if s.JanitorSchedule != "" {
		p.JanitorSchedule = awsevents.Schedule_Expression(&s.JanitorSchedule)
	}
	var faults []error
	switch s.Architecture {
	case "", "arm64":
	case "x86_64":
		p.Architecture = awslambda.Architecture_X86_64()
	default:
		faults = append(faults, fmt.Errorf("context architecture: %q is neither arm64 nor x86_64", s.Architecture))
	}
	switch s.Tracing {
	case "", "off", "xray":
	default:
		faults = append(faults, fmt.Errorf("context tracing: %q is neither off nor xray", s.Tracing))
	}
	switch strings.ToLower(s.RemovalPolicy) {
	case "", "retain":
	case "delete":
		p.RemovalPolicy = awscdk.RemovalPolicy_DESTROY
	default:
		faults = append(faults, fmt.Errorf("context removalPolicy: %q is neither Retain nor Delete", s.RemovalPolicy))
	}
	days, ok := retention[s.LogRetention]
	if !ok {
		faults = append(faults, fmt.Errorf("context logRetention: CloudWatch does not keep logs for %d days; see the parameter LogRetention of template.yaml", s.LogRetention))
	}
	p.LogRetention = days
	return errors.Join(faults...)
}
