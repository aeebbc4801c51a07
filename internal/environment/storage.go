package environment

// Storage is the table.
type Storage struct {
	// Table (TABLE_NAME) is the DynamoDB table. Required.
	Table string
	// DynamoDBEndpoint (DYNAMODB_ENDPOINT) is the origin of DynamoDB. Default:
	// the endpoint of the region.
	DynamoDBEndpoint string
	// ConfigurationFile (CONFIGURATION) is the path of a file with the
	// configuration, for a laptop. Default: the configuration is in the table.
	ConfigurationFile string
}

func storage(e *env, c *Environment) {
	c.Table = e.required("TABLE_NAME")
	c.DynamoDBEndpoint = e.endpoint("DYNAMODB_ENDPOINT")
	c.ConfigurationFile = e.getenv("CONFIGURATION")
}
