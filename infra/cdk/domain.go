package dcrbroker

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/jsii-runtime-go"
)

// addDomain makes the API's custom domain, and what is in front of it.
func (b *Broker) addDomain(p *Props, a *api) {
	d := p.Domain
	if d.CertificateARN == "" {
		b.faults.add("Domain.CertificateARN: is required with Domain")
	}
	domain := awsapigatewayv2.NewCfnDomainName(b.Construct, jsii.String("Domain"), &awsapigatewayv2.CfnDomainNameProps{
		DomainName: &d.Name,
		DomainNameConfigurations: []*awsapigatewayv2.CfnDomainName_DomainNameConfigurationProperty{{
			CertificateArn: &d.CertificateARN, EndpointType: jsii.String("REGIONAL"), SecurityPolicy: jsii.String("TLS_1_2"),
		}},
	})
	awsapigatewayv2.NewCfnApiMapping(b.Construct, jsii.String("Mapping"), &awsapigatewayv2.CfnApiMappingProps{
		ApiId: b.apiID, DomainName: domain.Ref(), Stage: a.stage.Ref(),
	})
	b.DomainTarget = *domain.AttrRegionalDomainName()
	if p.Edge == nil {
		// The domain has no IPv6 address.
		b.addRecords(d, *domain.AttrRegionalHostedZoneId(), "A")
		return
	}
	b.DomainTarget = *b.addDistribution(p, domain)
	b.addRecords(d, cloudFrontZone, "A", "AAAA")
}

// cloudFrontZone is the hosted zone of every distribution.
const cloudFrontZone = "Z2FDTNDATAQYW2"

func (b *Broker) addRecords(d *Domain, zone string, kinds ...string) {
	if d.HostedZoneID == "" {
		return
	}
	for _, kind := range kinds {
		b.resource("Record"+kind, "AWS::Route53::RecordSet", map[string]any{
			"HostedZoneId": d.HostedZoneID, "Name": d.Name, "Type": kind,
			"AliasTarget": map[string]any{"DNSName": b.DomainTarget, "HostedZoneId": zone},
		})
	}
}

// resource makes one of a service whose package of the CDK would take long to
// compile, and of which little is used.
func (b *Broker) resource(id, kind string, properties map[string]any) awscdk.CfnResource {
	return awscdk.NewCfnResource(b.Construct, &id, &awscdk.CfnResourceProps{Type: &kind, Properties: &properties})
}

// addDistribution puts CloudFront in front of the domain and returns its name.
// The viewer's Host goes on to API Gateway, so that the issuer's name is all that
// anybody sees.
func (b *Broker) addDistribution(p *Props, domain awsapigatewayv2.CfnDomainName) *string {
	certificate := p.Edge.CertificateARN
	if certificate == "" {
		certificate = p.Domain.CertificateARN
		if !b.inUSEast1() {
			b.faults.add("Edge.CertificateARN: is required but in a stack in us-east-1, where CloudFront wants it")
		}
	}
	distribution := b.resource("Distribution", "AWS::CloudFront::Distribution", map[string]any{
		"DistributionConfig": map[string]any{
			"Comment": "dcr-broker", "Enabled": true, "IPV6Enabled": true, "HttpVersion": "http2and3",
			"Aliases":  []string{p.Domain.Name},
			"WebACLId": b.webACL(p),
			"ViewerCertificate": map[string]any{
				"AcmCertificateArn": certificate, "SslSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2021",
			},
			"Origins": []any{map[string]any{
				"Id": "api", "DomainName": domain.AttrRegionalDomainName(),
				"CustomOriginConfig": map[string]any{"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": []string{"TLSv1.2"}},
			}},
			"DefaultCacheBehavior": map[string]any{
				"TargetOriginId": "api", "ViewerProtocolPolicy": "https-only", "Compress": false,
				"AllowedMethods": []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"},
				// AWS's own: CachingDisabled, and AllViewerAndCloudFrontHeaders-2022-06,
				// which has CloudFront-Viewer-Address.
				"CachePolicyId":         "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
				"OriginRequestPolicyId": "33f36d7e-f396-46d9-90e0-52428a34d9dc",
			},
		},
	})
	return awscdk.Token_AsString(distribution.GetAtt(jsii.String("DomainName"), ""), nil)
}

func (b *Broker) inUSEast1() bool { return *b.stack.Region() == "us-east-1" }

// webACL returns the ARN of the web ACL: that of p, or of one that limits each
// address.
func (b *Broker) webACL(p *Props) any {
	if p.Edge.WebACLARN != "" {
		return p.Edge.WebACLARN
	}
	if !b.inUSEast1() {
		b.faults.add("Edge.WebACLARN: is required but in a stack whose Env has the region us-east-1, where alone a web ACL for CloudFront can be made")
	}
	seen := func(name string) map[string]any {
		return map[string]any{"MetricName": name, "CloudWatchMetricsEnabled": true, "SampledRequestsEnabled": false}
	}
	limit := func(name string, priority, requests int, scope map[string]any) map[string]any {
		rate := map[string]any{"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": requests}
		if scope != nil {
			rate["ScopeDownStatement"] = scope
		}
		return map[string]any{
			"Name": name, "Priority": priority, "Action": map[string]any{"Block": map[string]any{}},
			"Statement": map[string]any{"RateBasedStatement": rate}, "VisibilityConfig": seen(name),
		}
	}
	acl := b.resource("WebACL", "AWS::WAFv2::WebACL", map[string]any{
		"Scope": "CLOUDFRONT", "DefaultAction": map[string]any{"Allow": map[string]any{}}, "VisibilityConfig": seen("dcr-broker"),
		"Rules": []any{
			limit("register", 0, p.Edge.RegisterPerAddress, map[string]any{"ByteMatchStatement": map[string]any{
				"FieldToMatch": map[string]any{"UriPath": map[string]any{}}, "PositionalConstraint": "STARTS_WITH", "SearchString": "/register",
				"TextTransformations": []any{map[string]any{"Priority": 0, "Type": "URL_DECODE"}},
			}}),
			limit("all", 1, p.Edge.PerAddress, nil),
		},
	})
	return acl.GetAtt(jsii.String("Arn"), "")
}

// checkEdge says what an edge cannot do without.
func (b *Broker) checkEdge(p *Props) {
	if p.Edge == nil {
		return
	}
	if p.Domain == nil {
		b.faults.add("Edge: takes Domain, since the issuer is the name of the distribution")
	}
	if certificate := p.Edge.CertificateARN; strings.HasPrefix(certificate, "arn:") && !strings.Contains(certificate, ":us-east-1:") {
		b.faults.add("Edge.CertificateARN: %s is not in us-east-1, where CloudFront wants it", certificate)
	}
}
