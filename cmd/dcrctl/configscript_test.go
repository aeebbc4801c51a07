package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
)

// clear: from now on no call fails.
func clearFaults(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value(worldKey{}).(*world).pool.Faults().Clear()
}

// lifetime SECONDS: the access tokens of each app client of the pool live that
// long.
func accessTokenLifetime(ts *testscript.TestScript, _ bool, args []string) {
	d := scriptDeployment(ts)
	api := cip.NewFromConfig(d.parts.SDK, func(o *cip.Options) { o.BaseEndpoint = aws.String(d.config.CognitoEndpoint) })
	for _, a := range ts.Value(worldKey{}).(*world).pool.AppClients() {
		out, err := api.DescribeUserPoolClient(context.Background(), &cip.DescribeUserPoolClientInput{UserPoolId: &d.config.UserPoolID, ClientId: &a.ClientID})
		ts.Check(err)
		seconds := *out.UserPoolClient.AccessTokenValidity
		if out.UserPoolClient.TokenValidityUnits.AccessToken == types.TimeUnitsTypeMinutes {
			seconds *= 60
		}
		if got := strconv.Itoa(int(seconds)); got != args[0] {
			ts.Fatalf("the access tokens of app client %s live %s s, want %s", a.ClientID, got, args[0])
		}
	}
}

// pad FILE...: adds so many spaces to documents that the head of the versions has
// no copy of them.
func pad(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(ts.ReadFile(name)+strings.Repeat(" ", 8<<10)), 0o600))
	}
}

// losebody N: removes the document of version N from the table.
func loseBody(ts *testscript.TestScript, _ bool, args []string) {
	key, value := documentKey(ts, args[0])
	_, err := ts.Value(worldKey{}).(*world).dynamo.DeleteItem(context.Background(), &dynamodb.DeleteItemInput{TableName: aws.String(ts.Getenv("TABLE_NAME")), Key: map[string]dynamotypes.AttributeValue{key: value}})
	ts.Check(err)
}

// alterbody N: replaces the document of version N in the table by another one.
func alterBody(ts *testscript.TestScript, _ bool, args []string) {
	key, value := documentKey(ts, args[0])
	_, err := ts.Value(worldKey{}).(*world).dynamo.UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
		TableName: aws.String(ts.Getenv("TABLE_NAME")), Key: map[string]dynamotypes.AttributeValue{key: value},
		UpdateExpression: aws.String("SET #d = :d"), ExpressionAttributeNames: map[string]string{"#d": "document"},
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{":d": &dynamotypes.AttributeValueMemberS{Value: "{}"}},
	})
	ts.Check(err)
}

// documentKey returns the key of the item with the document of a version.
func documentKey(ts *testscript.TestScript, number string) (string, dynamotypes.AttributeValue) {
	versions, err := scriptDeployment(ts).store.Configuration().Versions(context.Background())
	ts.Check(err)
	for _, v := range versions {
		if strconv.Itoa(v.Number) == number {
			return records.ColumnKey, &dynamotypes.AttributeValueMemberS{Value: fmt.Sprintf("config#%d#%s", v.Number, v.Digest)}
		}
	}
	ts.Fatalf("there is no version %s", number)
	return "", nil
}

// meanwhile FILE COMMAND...: the command must fail, because another operator,
// somebody, stores FILE after it has read the versions.
func meanwhile(ts *testscript.TestScript, _ bool, args []string) {
	if err := withOther(ts, "ListResourceServers", args[0], args[1:]); err == nil {
		ts.Fatalf("the command succeeded, want it to see the other change")
	}
}

// during FILE COMMAND...: another operator, somebody, stores FILE while the command
// updates app clients.
func during(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(withOther(ts, "UpdateUserPoolClient", args[0], args[1:]))
}

// withOther runs a command. Before the command gets Cognito's answer to the
// operation, another operator stores the document in a file.
func withOther(ts *testscript.TestScript, operation, file string, command []string) error {
	w, d := ts.Value(worldKey{}).(*world), scriptDeployment(ts)
	body := []byte(ts.ReadFile(file))
	w.answered.Store(&hook{operation: operation, holds: true, call: func() {
		w.answered.Store(nil)
		writer, err := configure.New(configure.Config{
			Store: d.store.Configuration(), Deployment: d.config.Deployment(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		ts.Check(err)
		versions, err := d.store.Configuration().Versions(context.Background())
		ts.Check(err)
		_, err = writer.Apply(context.Background(), body, "somebody", versions[0].Number)
		ts.Check(err)
	}})
	defer w.answered.Store(nil)
	return ts.Exec(command[0], command[1:]...)
}

// motopool: makes a user pool in moto, for the commands that follow.
func motoPool(ts *testscript.TestScript, _ bool, _ []string) {
	endpoint := ts.Getenv("AWS_ENDPOINT_URL_STS")
	sdk, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion("us-east-1"))
	ts.Check(err)
	api := cip.NewFromConfig(sdk, func(o *cip.Options) { o.BaseEndpoint = &endpoint })
	out, err := api.CreateUserPool(context.Background(), &cip.CreateUserPoolInput{PoolName: aws.String("dcrctl")})
	ts.Check(err)
	ts.Setenv("USER_POOL_ID", *out.UserPool.Id)
	ts.Setenv("COGNITO_ENDPOINT", endpoint)
	newTable(ts, false, nil)
}
