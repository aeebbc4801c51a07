package environment

// Pool reads where the user pool is and which app clients in it are those of the
// deployment, and the table if that is said: what is needed to count or remove
// what there is, of a deployment that is gone too. What the rest of its
// environment says is not looked at.
func Pool(getenv func(string) string) (*Config, error) {
	e := &env{getenv: getenv}
	c := &Config{Region: e.required("AWS_REGION"), Issuer: e.getenv("ISSUER"), Keys: e.getenv("KEYS"), PolicyDocument: e.getenv("POLICY")}
	if c.UserPoolID = e.required("USER_POOL_ID"); c.UserPoolID != "" && !isUserPoolID(c.UserPoolID) {
		e.fault("USER_POOL_ID", "%q is not a user pool id such as us-east-1_AbCdEfGhI", c.UserPoolID)
	}
	if c.Table = e.getenv("TABLE_NAME"); c.Table != "" {
		e.storage(c)
	}
	e.appClients(c)
	return c, e.err()
}
