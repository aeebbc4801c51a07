package dcrbroker

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
)

// addTable creates the table with the same schema as internal/adapter/dynamo,
// and with backups and deletion protection.
func (b *Broker) addTable(p *Props) {
	b.Table = awsdynamodb.NewTable(b.Construct, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("ttl"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(p.RemovalPolicy != awscdk.RemovalPolicy_DESTROY),
		RemovalPolicy:      p.RemovalPolicy,
	})
	for _, index := range []struct{ name, partition, sort string }{{"due", "due", "due_at"}, {"client", "client", ""}, {"user", "user", ""}} {
		props := &awsdynamodb.GlobalSecondaryIndexProps{
			IndexName:      &index.name,
			PartitionKey:   &awsdynamodb.Attribute{Name: &index.partition, Type: awsdynamodb.AttributeType_STRING},
			ProjectionType: awsdynamodb.ProjectionType_KEYS_ONLY,
		}
		if index.sort != "" {
			props.SortKey = &awsdynamodb.Attribute{Name: &index.sort, Type: awsdynamodb.AttributeType_NUMBER}
		}
		b.Table.AddGlobalSecondaryIndex(props)
	}
}

// addKeys creates the secret with the seed of the sealing keys. Direct mode has
// it, too, so that a return to brokered mode finds the same keys.
func (b *Broker) addKeys(p *Props) {
	b.Keys = awssecretsmanager.NewSecret(b.Construct, jsii.String("Keys"), &awssecretsmanager.SecretProps{
		Description: jsii.String("Keys of dcr-broker. Without them no refresh token works."),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: jsii.String(`{"version":1}`),
			GenerateStringKey:    jsii.String("seed"),
			PasswordLength:       jsii.Number(64),
			ExcludePunctuation:   jsii.Bool(true),
		},
		RemovalPolicy: p.RemovalPolicy,
	})
	suppressNag(b.Keys.Node().DefaultChild().(awscdk.CfnResource), "SMG4", "What a key sealed has to be opened for as long as refresh tokens live, so that nothing may replace it by itself; docs/operations.md says how keys change.")
}

// addEdgeSecret creates the secret of the edge. The functions accept its members
// current and previous, so that the value can change.
func (b *Broker) addEdgeSecret(p *Props) {
	if p.Edge == nil && p.OwnEdge != SecretEdge {
		return
	}
	b.EdgeSecret = awssecretsmanager.NewSecret(b.Construct, jsii.String("EdgeSecret"), &awssecretsmanager.SecretProps{
		Description: jsii.String("What the edge of dcr-broker sends in X-Edge-Secret. Requests without it are refused."),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: jsii.String("{}"),
			GenerateStringKey:    jsii.String("current"),
			PasswordLength:       jsii.Number(64),
			ExcludePunctuation:   jsii.Bool(true),
		},
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY, // nothing was sealed with it
	})
	suppressNag(b.EdgeSecret.Node().DefaultChild().(awscdk.CfnResource), "SMG4", "CloudFront gets a new value only with a deployment; docs/deploy.md says how it changes.")
}

// addUserPool uses the user pool of p, or creates one. A user pool that it
// creates is always retained, because it has the accounts of users.
func (b *Broker) addUserPool(p *Props) {
	if p.UserPool != nil {
		if p.CognitoDomain == "" {
			b.faults.add("CognitoDomain: is required with UserPool")
			p.CognitoDomain = "https://missing.invalid"
		}
		id := *p.UserPool.UserPoolId()
		if region, _, ok := strings.Cut(id, "_"); ok && !strings.Contains(id, "${") && !strings.Contains(*b.stack.Region(), "${") && region != *b.stack.Region() {
			b.faults.add("UserPool: %s is not in the region of the stack, %s", id, *b.stack.Region())
		}
		if p.DomainPrefix != "" {
			b.faults.add("DomainPrefix: cannot be combined with UserPool; it is for a user pool that the construct creates")
		}
		if len(p.Scopes) > 0 {
			b.faults.add("Scopes: cannot be combined with UserPool; they are for a user pool that the construct creates")
		}
		p.LoginVersion = cmp.Or(p.LoginVersion, 1)
		b.UserPool, b.CognitoDomain = p.UserPool, p.CognitoDomain
		return
	}
	for _, prop := range []struct {
		name string
		set  bool
	}{{"CognitoDomain", p.CognitoDomain != ""}, {"LoginVersion", p.LoginVersion != 0}, {"CognitoIssuer", p.CognitoIssuer != ""}} {
		if prop.set {
			b.faults.add("%s: requires UserPool", prop.name)
		}
	}
	p.LoginVersion = 1
	if b.brokered() {
		p.LoginVersion = 2
	}
	pool := awscognito.NewCfnUserPool(b.Construct, jsii.String("UserPool"), &awscognito.CfnUserPoolProps{
		UserPoolName:           b.stack.StackName(),
		UserPoolTier:           jsii.String("ESSENTIALS"),
		UsernameAttributes:     jsii.Strings("email"),
		AutoVerifiedAttributes: jsii.Strings("email"),
		AdminCreateUserConfig:  &awscognito.CfnUserPool_AdminCreateUserConfigProperty{AllowAdminCreateUserOnly: jsii.Bool(true)},
		DeletionProtection:     jsii.String("ACTIVE"),
	})
	pool.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	suppressNag(pool, "COG1", "Cognito's default for passwords holds; how users sign in is set by the operator, whose pool it is from then on.")
	suppressNag(pool, "COG2", "Whether users have a second factor is set by the operator, whose pool it is from then on.")
	suppressNag(pool, "COG3", "Threat protection takes the plan Plus, which costs more for each user; the pool is made on Essentials.")
	prefix := p.DomainPrefix
	if prefix == "" {
		prefix = "dcr-" + *b.fromStackID(0)
	}
	domain := awscognito.NewCfnUserPoolDomain(b.Construct, jsii.String("UserPoolDomain"), &awscognito.CfnUserPoolDomainProps{
		UserPoolId: pool.Ref(), Domain: &prefix,
		// Version 2 needs a branding style for each app client, which direct mode
		// does not create.
		ManagedLoginVersion: jsii.Number(p.LoginVersion),
	})
	domain.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	b.addResourceServers(p, pool)
	b.UserPool = awscognito.UserPool_FromUserPoolId(b.Construct, jsii.String("Pool"), pool.Ref())
	b.CognitoDomain = "https://" + *domain.Ref() + ".auth." + *b.stack.Region() + ".amazoncognito.com"
}

// scopeName matches the scope of a resource server: its identifier, a slash, and
// a name without slash.
var scopeName = regexp.MustCompile(`^([!#-\[\]-~]{1,200})/([!#-.0-\[\]-~]{1,55})$`)

// addResourceServers creates resource servers for the scopes.
func (b *Broker) addResourceServers(p *Props, pool awscognito.CfnUserPool) {
	scopes := make(map[string][]*awscognito.CfnUserPoolResourceServer_ResourceServerScopeTypeProperty)
	var identifiers []string
	for i, s := range p.Scopes {
		m := scopeName.FindStringSubmatch(s)
		if m == nil {
			b.faults.add("Scopes: %q is not IDENTIFIER/SCOPE", s)
			continue
		}
		if slices.Contains(p.Scopes[:i], s) {
			b.faults.add("Scopes: %q occurs twice", s)
			continue
		}
		identifier, name := m[1], m[2]
		if scopes[identifier] == nil {
			identifiers = append(identifiers, identifier)
		}
		scopes[identifier] = append(scopes[identifier], &awscognito.CfnUserPoolResourceServer_ResourceServerScopeTypeProperty{
			ScopeName: &name, ScopeDescription: &name,
		})
	}
	for _, identifier := range identifiers {
		// The id comes from the identifier, so that the order of Scopes does not
		// matter.
		server := awscognito.NewCfnUserPoolResourceServer(b.Construct, jsii.String("UserPoolResourceServer-"+strings.ReplaceAll(identifier, "/", "-")),
			&awscognito.CfnUserPoolResourceServerProps{UserPoolId: pool.Ref(), Identifier: &identifier, Name: &identifier, Scopes: scopes[identifier]})
		server.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	}
}
