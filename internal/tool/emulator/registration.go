package emulator

// DCRConfiguration is the pool's own dynamic client registration (RFC 7591), as
// DescribeUserPool returns it. The registration endpoint itself is left out.
type DCRConfiguration struct {
	EnableStatus            string   `json:",omitempty"` // Enabled or Disabled
	OpenDcrEnabled          bool     // clients need no token
	AuthenticatedGrantTypes []string `json:",omitempty"`
	OpenDcrGrantTypes       []string `json:",omitempty"`
	AllowedScopes           []string `json:",omitempty"` // besides those of OpenID Connect
}

// CIMDPolicy lets clients whose ids are URLs of metadata documents sign in
// through an app client of the pool.
type CIMDPolicy struct {
	CIMDPolicyId string
	// ClientId is empty if the app client no longer exists.
	ClientId   string `json:",omitempty"`
	PolicyName string
	// CacheDuration is in seconds.
	CacheDuration int `json:",omitempty"`
}

// registers reports whether the pool has a registration endpoint.
func (cfg Config) registers() bool {
	return cfg.Registration != nil && cfg.Registration.EnableStatus == "Enabled" && !cfg.NoDomain
}

// checkFeatures returns the faults of the features that this file has.
func (cfg Config) checkFeatures(bad func(format string, args ...any)) {
	if cfg.Plan == Lite && (cfg.registers() || len(cfg.CIMDPolicies) > 0) {
		bad("the plan %s has neither registration nor metadata documents", Lite)
	}
	if r := cfg.Registration; r != nil && r.EnableStatus != "Enabled" && r.EnableStatus != "Disabled" && r.EnableStatus != "" {
		bad("EnableStatus %q is neither Enabled nor Disabled", r.EnableStatus)
	}
}

type listCIMDPoliciesInput struct {
	UserPoolId *string
	MaxResults *int64
	NextToken  *string
}

type listCIMDPoliciesOutput struct {
	CIMDPolicies []CIMDPolicy
	NextToken    string `json:",omitempty"`
}

func (c *Cognito) listCIMDPolicies(in listCIMDPoliciesInput) (listCIMDPoliciesOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	cs.integer(in.MaxResults, "maxResults", 1, 60)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return listCIMDPoliciesOutput{}, err
	}
	after, err := pageStart(in.NextToken)
	if err != nil {
		return listCIMDPoliciesOutput{}, err
	}
	size := 60
	if in.MaxResults != nil {
		size = int(*in.MaxResults)
	}
	rest := c.cfg.CIMDPolicies[min(after, len(c.cfg.CIMDPolicies)):]
	out := listCIMDPoliciesOutput{CIMDPolicies: append([]CIMDPolicy{}, rest[:min(size, len(rest))]...)}
	if len(rest) > size {
		out.NextToken = pageToken(after + size)
	}
	return out, nil
}
