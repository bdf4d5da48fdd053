package main

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
)

var dateTime = reflect.TypeOf(strfmt.DateTime{})

// fill gives a value of any model random content. Every kind of absence that Go knows comes up
// often: zero values, nil and empty lists and maps, nil pointers, pointers to zero values, nil
// elements of lists.
func fill(random *rand.Rand, value reflect.Value) {
	if value.Type() == dateTime {
		value.Set(reflect.ValueOf(randomTime(random)))
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			fill(random, value.Field(i))
		}
	case reflect.Pointer:
		if random.Intn(3) > 0 {
			value.Set(reflect.New(value.Type().Elem()))
			fill(random, value.Elem())
		}
	case reflect.Slice:
		if random.Intn(3) == 0 {
			return
		}
		list := reflect.MakeSlice(value.Type(), random.Intn(4), 4)
		for i := range list.Len() {
			fill(random, list.Index(i))
		}
		value.Set(list)
	case reflect.Map:
		if random.Intn(3) == 0 {
			return
		}
		value.Set(reflect.MakeMap(value.Type()))
		for range random.Intn(4) {
			key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
			fill(random, key)
			fill(random, element)
			value.SetMapIndex(key, element)
		}
	case reflect.String:
		value.SetString(randomText(random))
	case reflect.Bool:
		value.SetBool(random.Intn(2) == 0)
	case reflect.Int32:
		value.SetInt(randomInteger(random, math.MinInt32, math.MaxInt32))
	case reflect.Int64:
		value.SetInt(randomInteger(random, math.MinInt64, math.MaxInt64))
	case reflect.Float64:
		numbers := []float64{0, 1, 3600, 2699.98, -0.5, 1e20, 1e21, 5e-324, math.MaxFloat64, random.NormFloat64()}
		value.SetFloat(numbers[random.Intn(len(numbers))])
	case reflect.Interface:
		if content := randomContent(random, 3); content != nil {
			value.Set(reflect.ValueOf(content))
		}
	default:
		panic(fmt.Sprintf("no random value for %s", value.Type()))
	}
}

func randomInteger(random *rand.Rand, lowest, highest int64) int64 {
	numbers := []int64{0, 0, 1, -1, 60, lowest, highest, int64(random.Int31())}
	return numbers[random.Intn(len(numbers))]
}

func randomText(random *rand.Rand) string {
	pieces := []string{
		"Running", "edge-1", "/dev/sda1", "a: b\n", "\"", "\\", "\t\r\x00\x1f\x7f", "<&>", "é", "日本", "\u2028", "\ufeff",
		"\U0001f4e6", "\xff", "null", " ",
	}
	var text strings.Builder
	for range random.Intn(4) {
		text.WriteString(pieces[random.Intn(len(pieces))])
	}
	return text.String()
}

func randomTime(random *rand.Rand) strfmt.DateTime {
	if random.Intn(3) == 0 {
		return strfmt.DateTime{}
	}
	zone := time.UTC
	if random.Intn(2) == 0 {
		zone = time.FixedZone("", 60*(random.Intn(2*24*60)-24*60))
	}
	year := []int{0, 1, 1969, 1970, 2026, 9999}[random.Intn(6)]
	nanoseconds := []int{0, 1, 999999, 1000000, 999999999, random.Intn(1e9)}[random.Intn(6)]
	return strfmt.DateTime(time.Date(year, time.Month(1+random.Intn(12)), 1+random.Intn(28),
		random.Intn(24), random.Intn(60), random.Intn(60), nanoseconds, zone))
}

// Content of an envelope: any JSON value.
func randomContent(random *rand.Rand, depth int) any {
	switch kind := random.Intn(7); {
	case kind == 0:
		return nil
	case kind == 1:
		return random.Intn(2) == 0
	case kind == 2:
		return float64(random.Int31())
	case kind == 3 || depth == 0:
		return randomText(random)
	case kind == 4:
		list := []any{}
		for range random.Intn(3) {
			list = append(list, randomContent(random, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range random.Intn(3) {
			object[randomText(random)] = randomContent(random, depth-1)
		}
		return object
	}
}
