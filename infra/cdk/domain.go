package dcrbroker

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/jsii-runtime-go"
)

// addDomain creates the API's custom domain, its distribution and its DNS
// records.
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

// resource creates a resource without the CDK's package for its service, which
// would take long to compile although only a small part of it is needed.
func (b *Broker) resource(id, kind string, properties map[string]any) awscdk.CfnResource {
	return awscdk.NewCfnResource(b.Construct, &id, &awscdk.CfnResourceProps{Type: &kind, Properties: &properties})
}

// addDistribution puts CloudFront in front of the domain and returns the name
// of the distribution. CloudFront passes the viewer's Host header on to API
// Gateway, so that only the issuer's name appears anywhere.
func (b *Broker) addDistribution(p *Props, domain awsapigatewayv2.CfnDomainName) *string {
	certificate := p.Edge.CertificateARN
	if certificate == "" {
		certificate = p.Domain.CertificateARN
		if !b.inUSEast1() {
			b.faults.add("Edge.CertificateARN: is required unless the stack is in us-east-1, the region that CloudFront requires")
		}
	}
	distribution := awscloudfront.NewCfnDistribution(b.Construct, jsii.String("Distribution"), &awscloudfront.CfnDistributionProps{
		DistributionConfig: &awscloudfront.CfnDistribution_DistributionConfigProperty{
			// CloudFormation reads the secret again only if something here changes.
			Comment: jsii.String(fmt.Sprintf("dcr-broker, edge secret %d", p.Edge.SecretVersion)), Enabled: jsii.Bool(true), Ipv6Enabled: jsii.Bool(true), HttpVersion: jsii.String("http2and3"),
			Aliases:  jsii.Strings(p.Domain.Name),
			WebAclId: b.webACL(p),
			ViewerCertificate: &awscloudfront.CfnDistribution_ViewerCertificateProperty{
				AcmCertificateArn: &certificate, SslSupportMethod: jsii.String("sni-only"), MinimumProtocolVersion: jsii.String("TLSv1.2_2021"),
			},
			Origins: []*awscloudfront.CfnDistribution_OriginProperty{{
				Id: jsii.String("api"), DomainName: domain.AttrRegionalDomainName(),
				CustomOriginConfig: &awscloudfront.CfnDistribution_CustomOriginConfigProperty{
					OriginProtocolPolicy: jsii.String("https-only"), OriginSslProtocols: jsii.Strings("TLSv1.2"),
				},
				OriginCustomHeaders: []*awscloudfront.CfnDistribution_OriginCustomHeaderProperty{{
					HeaderName:  jsii.String("X-Edge-Secret"),
					HeaderValue: jsii.String("{{resolve:secretsmanager:" + *b.EdgeSecret.SecretArn() + ":SecretString:current}}"),
				}},
			}},
			DefaultCacheBehavior: &awscloudfront.CfnDistribution_DefaultCacheBehaviorProperty{
				TargetOriginId: jsii.String("api"), ViewerProtocolPolicy: jsii.String("https-only"), Compress: jsii.Bool(false),
				AllowedMethods: jsii.Strings("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"),
				// Managed policies of AWS: CachingDisabled, and
				// AllViewerAndCloudFrontHeaders-2022-06, which adds
				// CloudFront-Viewer-Address.
				CachePolicyId:         jsii.String("4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
				OriginRequestPolicyId: jsii.String("33f36d7e-f396-46d9-90e0-52428a34d9dc"),
			},
			CustomErrorResponses: uncached(400, 403, 404, 405, 414, 500, 501, 502, 503, 504),
		},
	})
	suppressNag(distribution, "CFR1", "MCP clients and their users are anywhere.")
	suppressNag(distribution, "CFR3", "Its access logs have query strings, which hold codes; the API logs without them.")
	return distribution.AttrDomainName()
}

// uncached disables CloudFront's cache for errors with these statuses.
// Otherwise CloudFront caches errors for ten seconds, regardless of the cache
// policy, the query and cookies, and would show the error page of one user to
// others.
func uncached(statuses ...float64) []*awscloudfront.CfnDistribution_CustomErrorResponseProperty {
	var all []*awscloudfront.CfnDistribution_CustomErrorResponseProperty
	for _, status := range statuses {
		all = append(all, &awscloudfront.CfnDistribution_CustomErrorResponseProperty{ErrorCode: jsii.Number(status), ErrorCachingMinTtl: jsii.Number(0)})
	}
	return all
}

func (b *Broker) inUSEast1() bool { return *b.stack.Region() == "us-east-1" }

// webACL returns the ARN of the web ACL of p, or of a new one that limits each
// address.
func (b *Broker) webACL(p *Props) *string {
	if p.Edge.WebACLARN != "" {
		return &p.Edge.WebACLARN
	}
	if !b.inUSEast1() {
		b.faults.add("Edge.WebACLARN: is required unless the stack's Env has the region us-east-1, the only one in which a web ACL for CloudFront can be created")
	}
	visibility := func(name string) map[string]any {
		return map[string]any{"MetricName": name, "CloudWatchMetricsEnabled": true, "SampledRequestsEnabled": false}
	}
	limit := func(name string, priority, requests int, scope map[string]any) map[string]any {
		rate := map[string]any{"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": requests}
		if scope != nil {
			rate["ScopeDownStatement"] = scope
		}
		return map[string]any{
			"Name": name, "Priority": priority, "Action": map[string]any{"Block": map[string]any{}},
			"Statement": map[string]any{"RateBasedStatement": rate}, "VisibilityConfig": visibility(name),
		}
	}
	acl := b.resource("WebACL", "AWS::WAFv2::WebACL", map[string]any{
		"Scope": "CLOUDFRONT", "DefaultAction": map[string]any{"Allow": map[string]any{}}, "VisibilityConfig": visibility("dcr-broker"),
		"Rules": []any{
			limit("register", 0, p.Edge.RegisterPerAddress, map[string]any{"ByteMatchStatement": map[string]any{
				"FieldToMatch": map[string]any{"UriPath": map[string]any{}}, "PositionalConstraint": "STARTS_WITH", "SearchString": "/register",
				"TextTransformations": []any{map[string]any{"Priority": 0, "Type": "URL_DECODE"}},
			}}),
			limit("all", 1, p.Edge.PerAddress, nil),
		},
	})
	return awscdk.Token_AsString(acl.GetAtt(jsii.String("Arn"), ""), nil)
}

// checkEdge reports faults of p.Edge and p.OwnEdge.
func (b *Broker) checkEdge(p *Props) {
	if p.OwnEdge != "" && p.OwnEdge != SecretEdge && p.OwnEdge != HiddenEdge {
		b.faults.add("OwnEdge: must be secret or hidden, not %s", p.OwnEdge)
	}
	if p.OwnEdge != "" && p.Domain == nil {
		b.faults.add("OwnEdge: requires Domain, the name of the edge; otherwise the issuer would be the API's own address, which goes past the edge")
	}
	if p.Edge == nil {
		return
	}
	if p.OwnEdge != "" {
		b.faults.add("OwnEdge: is an edge that the construct does not create, so it cannot be combined with Edge")
	}
	if p.Domain == nil {
		b.faults.add("Edge: requires Domain, since the issuer is the name of the distribution")
	}
	if certificate := p.Edge.CertificateARN; strings.HasPrefix(certificate, "arn:") && !strings.Contains(certificate, ":us-east-1:") {
		b.faults.add("Edge.CertificateARN: %s is not in us-east-1, the region that CloudFront requires", certificate)
	}
}
