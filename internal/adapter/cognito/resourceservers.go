package cognito

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/aws/smithy-go"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// standardScopes are Cognito's own, which need no resource server.
var standardScopes = []string{"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"}

const (
	// maxDescription is the maximum length of a scope's description at Cognito.
	maxDescription = 256
	// createAttempts is how often Create reads and writes before it gives up.
	createAttempts = 5
	// settleTime is the time between a write and the read that checks it. It is
	// longer than another program takes from its read to its write.
	settleTime = 2 * time.Second
)

// A Scope is a scope of a resource server, as identifier/name.
type Scope struct {
	Name string
	// Description is shown in Cognito's console. Default: the name.
	Description string
}

// A ScopeLimitError means that the pool cannot have more scopes. Nothing was
// removed; scopes of other resource servers may have been created.
type ScopeLimitError struct{ reason string }

func (e *ScopeLimitError) Error() string { return e.reason }

// ResourceServers are the resource servers of a user pool. It adds scopes and
// removes none. It is for operators: the functions do not call it.
type ResourceServers struct {
	api   *cip.Client
	pool  string
	sleep func(context.Context, time.Duration) error
}

// NewResourceServers returns the resource servers of the pool.
func NewResourceServers(api *cip.Client, pool string) *ResourceServers {
	return &ResourceServers{api: api, pool: pool, sleep: broker.Pause}
}

// Scopes returns the scopes that an app client can have: those of the resource
// servers, and Cognito's own.
func (s *ResourceServers) Scopes(ctx context.Context) ([]string, error) {
	servers, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(standardScopes), scopesOf(servers)...), nil
}

// Missing returns those of the scopes that no app client can have.
func (s *ResourceServers) Missing(ctx context.Context, scopes []string) ([]string, error) {
	have, err := s.Scopes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(have, scope) }), nil
}

// Create creates those of the scopes that are missing, and their resource
// servers. quota is how many resource servers the pool can have; if they would be
// more, nothing is created and the error is a *ScopeLimitError. It returns the scopes that the pool got, even with an error. It can
// be repeated after any error.
//
// An update of a resource server replaces all its scopes, and Cognito has no
// condition for it, so two programs that update one at the same time can undo
// each other's work. After each update and a pause, Create reads again, and adds
// scopes that another program has removed.
func (s *ResourceServers) Create(ctx context.Context, scopes []Scope, quota int) (created []string, err error) {
	var first []string // the scopes that were missing at first
	for attempt := range createAttempts {
		servers, listErr := s.list(ctx)
		if listErr != nil {
			return created, errors.Join(err, listErr)
		}
		missing := missingScopes(servers, scopes)
		if attempt == 0 {
			first = namesOf(missing)
		}
		// This also finds scopes of a call that failed but was applied.
		left := namesOf(missing)
		created = slices.DeleteFunc(slices.Clone(first), func(name string) bool { return slices.Contains(left, name) })
		if len(left) == 0 {
			return created, nil
		}
		if err := checkLimits(servers, missing, quota); err != nil {
			return created, err
		}
		var added []string
		var raced bool
		added, raced, err = s.addAll(ctx, servers, missing)
		created = append(created, added...)
		if err != nil && !mayHaveRaced(err) {
			return created, err
		}
		if raced || err != nil {
			if err := s.sleep(ctx, settleTime); err != nil {
				return created, err
			}
		}
	}
	return created, cmp.Or(err, errors.New("cognito: another program keeps changing the resource servers; try again when it is done"))
}

// addAll adds the missing scopes, by identifier. raced reports whether it
// updated a resource server, which another program can undo. If two programs
// create the same one, Cognito refuses the call of the second.
func (s *ResourceServers) addAll(ctx context.Context, servers []types.ResourceServerType, missing map[string][]types.ResourceServerScopeType) (added []string, raced bool, err error) {
	for _, identifier := range slices.Sorted(maps.Keys(missing)) {
		exists := slices.ContainsFunc(servers, func(r types.ResourceServerType) bool { return aws.ToString(r.Identifier) == identifier })
		failure := s.add(ctx, identifier, missing[identifier], exists)
		if failure == nil {
			added = append(added, namesOf(map[string][]types.ResourceServerScopeType{identifier: missing[identifier]})...)
		}
		err, raced = errors.Join(err, failure), raced || exists
		if _, limit := errors.AsType[*ScopeLimitError](failure); limit {
			break
		}
	}
	return added, raced, err
}

// mayHaveRaced reports whether a read and another attempt may help after err.
func mayHaveRaced(err error) bool {
	if _, limit := errors.AsType[*ScopeLimitError](err); limit || errors.Is(err, context.Canceled) {
		return false
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return true // Cognito has not answered
	}
	switch api.(type) {
	case *types.InvalidParameterException, // another program has created the resource server
		*types.ResourceNotFoundException, // or deleted it
		*types.ConcurrentModificationException, *types.TooManyRequestsException, *types.InternalErrorException:
		return true
	}
	return httpStatus(err) >= 500
}

const serverAdvice = `Use scopes of a resource server that exists: MCP servers can share scopes and are told apart by resource_binding. Or ask AWS for more resource servers (Service Quotas, up to 300)`

// withoutRetries is for calls that Create repeats itself, after another read. The
// SDK would take the quota of resource servers for a rate.
func withoutRetries(o *cip.Options) { o.Retryer = aws.NopRetryer{} }

// add adds scopes to a resource server that exists, or creates it with them.
func (s *ResourceServers) add(ctx context.Context, identifier string, scopes []types.ResourceServerScopeType, exists bool) error {
	pool, id := aws.String(s.pool), aws.String(identifier)
	if !exists {
		in := &cip.CreateResourceServerInput{UserPoolId: pool, Identifier: id, Name: aws.String(serverName(identifier)), Scopes: scopes}
		_, err := s.api.CreateResourceServer(ctx, in, withoutRetries)
		if e, limit := errors.AsType[*types.LimitExceededException](err); limit {
			return &ScopeLimitError{fmt.Sprintf("Cognito does not create the resource server %s: %s. %s", identifier, e.ErrorMessage(), serverAdvice)}
		}
		if err != nil {
			return fmt.Errorf("cognito: create resource server %s: %w", identifier, err)
		}
		return nil
	}
	// The list may be some seconds old by now.
	now, err := s.api.DescribeResourceServer(ctx, &cip.DescribeResourceServerInput{UserPoolId: pool, Identifier: id})
	if err != nil {
		return fmt.Errorf("cognito: read resource server %s: %w", identifier, err)
	}
	all := slices.Clone(now.ResourceServer.Scopes)
	for _, scope := range scopes {
		same := func(o types.ResourceServerScopeType) bool {
			return aws.ToString(o.ScopeName) == aws.ToString(scope.ScopeName)
		}
		if !slices.ContainsFunc(all, same) {
			all = append(all, scope)
		}
	}
	in := &cip.UpdateResourceServerInput{UserPoolId: pool, Identifier: id, Name: now.ResourceServer.Name, Scopes: all}
	if _, err := s.api.UpdateResourceServer(ctx, in, withoutRetries); err != nil {
		return fmt.Errorf("cognito: update resource server %s: %w", identifier, err)
	}
	return nil
}

func (s *ResourceServers) list(ctx context.Context) ([]types.ResourceServerType, error) {
	var all []types.ResourceServerType
	pages := cip.NewListResourceServersPaginator(s.api, &cip.ListResourceServersInput{UserPoolId: aws.String(s.pool), MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("cognito: list resource servers: %w", err)
		}
		all = append(all, page.ResourceServers...)
	}
	return all, nil
}

func scopesOf(servers []types.ResourceServerType) []string {
	var all []string
	for _, r := range servers {
		for _, scope := range r.Scopes {
			all = append(all, aws.ToString(r.Identifier)+"/"+aws.ToString(scope.ScopeName))
		}
	}
	return all
}

// missingScopes returns the scopes that no resource server has, by its
// identifier.
func missingScopes(servers []types.ResourceServerType, scopes []Scope) map[string][]types.ResourceServerScopeType {
	have := append(slices.Clone(standardScopes), scopesOf(servers)...)
	missing := make(map[string][]types.ResourceServerScopeType)
	for _, scope := range scopes {
		if slices.Contains(have, scope.Name) {
			continue
		}
		have = append(have, scope.Name)
		// The identifier may have slashes; the name of the scope has none.
		i := strings.LastIndexByte(scope.Name, '/')
		description := []rune(cmp.Or(scope.Description, scope.Name))
		identifier := scope.Name[:max(i, 0)]
		missing[identifier] = append(missing[identifier], types.ResourceServerScopeType{
			ScopeName:        aws.String(scope.Name[i+1:]),
			ScopeDescription: aws.String(string(description[:min(len(description), maxDescription)])),
		})
	}
	return missing
}

// namesOf returns the names of the scopes, sorted by resource server.
func namesOf(scopes map[string][]types.ResourceServerScopeType) []string {
	var names []string
	for _, identifier := range slices.Sorted(maps.Keys(scopes)) {
		for _, scope := range scopes[identifier] {
			names = append(names, identifier+"/"+aws.ToString(scope.ScopeName))
		}
	}
	return names
}

// checkLimits returns an error if a scope cannot be created, so that nothing is.
func checkLimits(present []types.ResourceServerType, missing map[string][]types.ResourceServerScopeType, quota int) error {
	if bad := missing[""]; len(bad) > 0 {
		return fmt.Errorf("cognito: %q is not a scope of a resource server, which is identifier/name", aws.ToString(bad[0].ScopeName))
	}
	servers := len(present)
	for identifier, scopes := range missing {
		n, exists := len(scopes), false
		for _, r := range present {
			if aws.ToString(r.Identifier) == identifier {
				n, exists = n+len(r.Scopes), true
			}
		}
		if !exists {
			servers++
		}
		if n > broker.MaxServerScopes {
			return &ScopeLimitError{fmt.Sprintf("the resource server %s would have %d scopes, and Cognito allows %d: use another resource server", identifier, n, broker.MaxServerScopes)}
		}
	}
	if servers > quota && servers > len(present) {
		return &ScopeLimitError{fmt.Sprintf("the pool would have %d resource servers, %d of them new, and its quota is %d. %s, and set resource_server_quota", servers, servers-len(present), quota, serverAdvice)}
	}
	return nil
}

var notInName = regexp.MustCompile(`[^\w\s+=,.@-]+`)

// serverName returns a name for a resource server that Cognito allows.
func serverName(identifier string) string { return notInName.ReplaceAllString(identifier, "-") }
