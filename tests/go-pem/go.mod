module flotta-go-pem

go 1.26
