package emulator

type poolRef struct{ UserPoolId *string }

type poolView struct {
	Id                     string
	Name                   string
	Arn                    string
	Domain                 string `json:",omitempty"`
	UserPoolTier           Plan
	MfaConfiguration       string
	DeletionProtection     string
	EstimatedNumberOfUsers int
	CreationDate           epoch
	LastModifiedDate       epoch
	DcrConfiguration       *DCRConfiguration `json:",omitempty"`
}

type poolOutput struct{ UserPool poolView }

func (c *Cognito) describePool(in poolRef) (poolOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return poolOutput{}, err
	}
	v := poolView{
		Id:                     c.cfg.PoolID,
		Name:                   "local",
		Arn:                    "arn:aws:cognito-idp:" + c.cfg.Region + ":000000000000:userpool/" + c.cfg.PoolID,
		UserPoolTier:           c.cfg.Plan,
		MfaConfiguration:       "OFF",
		DeletionProtection:     "INACTIVE",
		EstimatedNumberOfUsers: len(c.users),
		CreationDate:           epoch(c.made),
		LastModifiedDate:       epoch(c.made),
		DcrConfiguration:       c.cfg.Registration,
	}
	if !c.cfg.NoDomain {
		v.Domain = c.cfg.Domain
	}
	return poolOutput{v}, nil
}

type domainInput struct{ Domain *string }

type domainView struct {
	UserPoolId          string `json:",omitempty"`
	AWSAccountId        string `json:",omitempty"`
	Domain              string `json:",omitempty"`
	Status              string `json:",omitempty"`
	ManagedLoginVersion int    `json:",omitempty"`
}

type domainOutput struct{ DomainDescription domainView }

// describeDomain returns an empty description, not an error, for a domain that
// does not exist.
func (c *Cognito) describeDomain(in domainInput) (domainOutput, *apiError) {
	var cs constraints
	domain := cs.required(in.Domain, "domain", 1, 63, nil)
	if err := cs.err(); err != nil {
		return domainOutput{}, err
	}
	if c.cfg.NoDomain || domain != c.cfg.Domain {
		return domainOutput{}, nil
	}
	return domainOutput{domainView{
		UserPoolId: c.cfg.PoolID, AWSAccountId: "000000000000", Domain: domain, Status: "ACTIVE",
		ManagedLoginVersion: c.cfg.ManagedLogin,
	}}, nil
}

type listIdentityProvidersInput struct {
	UserPoolId *string
	MaxResults *int64
	NextToken  *string
}

type listIdentityProvidersOutput struct {
	// Providers is empty: Cognito does not list the pool's own users, and the
	// emulator has no other provider.
	Providers []struct{}
}

func (c *Cognito) listIdentityProviders(in listIdentityProvidersInput) (listIdentityProvidersOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	cs.integer(in.MaxResults, "maxResults", 0, 60)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return listIdentityProvidersOutput{}, err
	}
	if in.NextToken != nil {
		return listIdentityProvidersOutput{}, invalidParameter("Invalid pagination token provided.")
	}
	return listIdentityProvidersOutput{Providers: []struct{}{}}, nil
}
