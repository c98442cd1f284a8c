// A field table reads strictly and says where and why it refuses.
#include "sim/spec/schema.h"

#include <gmock/gmock.h>

#include "sim/base/file.h"
#include "sim/spec/model_schema.h"

namespace tollgate {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

enum class Colour { red, green };
struct Wheel {
  std::string name;
  int spokes = 0;
  Places places;
};
struct Cart {
  std::string owner;
  int wheels = 4;
  double share = 0.5;
  double speed = 0;
  bool covered = false;
  Colour colour = Colour::red;
  std::vector<Wheel> spare;
  Places places;
};

const Schema<Wheel>& wheel_schema() {
  static const auto schema =
      Schema<Wheel>("wheel", "").integer("spokes", &Wheel::spokes, Need::required, {1, 100}, "");
  return schema;
}
const Schema<Cart>& cart_schema() {
  static const auto schema =
      Schema<Cart>("cart", "")
          .text("owner", &Cart::owner, Need::required, "")
          .integer("wheels", &Cart::wheels, Need::optional, {1, 8}, "")
          .number("share", &Cart::share, Need::optional, fraction, "")
          .quantity("speed", &Cart::speed, Dimension::bytes_per_second, Need::optional, positive,
                    "")
          .boolean("covered", &Cart::covered, Need::optional, "")
          .choice<Colour>("colour", &Cart::colour, Need::optional,
                          {{"red", Colour::red}, {"green", Colour::green}}, "")
          .named_map("spare", &Cart::spare, wheel_schema(), Need::optional, "")
          .check([](const Cart& c, const std::string& path) {
            if (c.covered && c.wheels < 4) {
              throw InputError(place_of(c.places, "wheels"),
                               path + " is covered and needs four wheels.");
            }
          });
  return schema;
}

Cart read(const std::string& text) { return cart_schema().read(*parse_yaml(text, "f.yaml"), ""); }
std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Schema, ReadsWhatIsGivenAndKeepsTheRest) {
  const Cart cart = read("owner: ann\nspeed: 2 GB/s\ncolour: green\nspare: {left: {spokes: 12}}\n");
  EXPECT_EQ(cart.owner, "ann");
  EXPECT_EQ(cart.wheels, 4);
  EXPECT_EQ(cart.speed, 2e9);
  EXPECT_EQ(cart.colour, Colour::green);
  EXPECT_EQ(cart.spare.at(0).name, "left");
  EXPECT_EQ(place_of(cart.places, "speed").line, 2);
}

TEST(Schema, RefusesWithPlaceAndReason) {
  EXPECT_EQ(error_of("owner: ann\nwheel: 3\n"),
            "f.yaml:2:1: cart has no key 'wheel'. Did you mean 'wheels'?");
  EXPECT_THAT(error_of("owner: ann\nzzzzzz: 3\n"), HasSubstr("Known keys: owner, wheels"));
  EXPECT_EQ(error_of("wheels: 3\n"), "f.yaml:1:1: cart lacks the required key 'owner'.");
  EXPECT_EQ(error_of("owner: ann\nwheels: many\n"),
            "f.yaml:2:9: wheels must be a whole number, but is 'many'.");
  EXPECT_EQ(error_of("owner: ann\nwheels: 010\n"),
            "f.yaml:2:9: wheels must be a whole number, but is '010'.");
  EXPECT_EQ(error_of("owner: ann\nwheels: '4'\n"),
            "f.yaml:2:9: wheels must be a whole number, but is '4'.");
  EXPECT_EQ(error_of("owner: ann\nwheels: 99999999999999999999\n"),
            "f.yaml:2:9: wheels must be a whole number, but is '99999999999999999999'.");
  EXPECT_EQ(error_of("owner: ann\nwheels: 9\n"), "f.yaml:2:9: wheels is 9, but must be 1 to 8.");
  EXPECT_EQ(error_of("owner: ann\nshare: 1.5\n"), "f.yaml:2:8: share is 1.5, but must be 0 to 1.");
  EXPECT_THAT(error_of("owner: ann\nshare: .nan\n"),
              StartsWith("f.yaml:2:8: share must be a number"));
  EXPECT_THAT(error_of("owner: ann\nspeed: 5\n"), StartsWith("f.yaml:2:8: speed: "));
  EXPECT_THAT(error_of("owner: ann\nspeed: 5\n"), HasSubstr("GB/s"));
  EXPECT_THAT(error_of("owner: ann\nspeed: 5 GiB\n"), StartsWith("f.yaml:2:8: speed: "));
  EXPECT_EQ(error_of("owner: ann\nspeed: 0 GB/s\n"),
            "f.yaml:2:8: speed is 0 GB/s, but must be above 0.");
  EXPECT_EQ(error_of("owner: ann\ncovered: yes\n"),
            "f.yaml:2:10: covered must be true or false, but is 'yes'.");
  EXPECT_THAT(error_of("owner: ann\ncolour: gren\n"), HasSubstr("Did you mean 'green'?"));
  EXPECT_EQ(error_of("owner: [ann]\n"), "f.yaml:1:8: owner must be text, but is a list.");
  EXPECT_EQ(error_of("owner: ''\n"), "f.yaml:1:8: owner is empty.");
  EXPECT_EQ(error_of("owner:\n"), "f.yaml:1:1: owner has no value.");
  EXPECT_EQ(error_of("owner: ann\nspare: [1]\n"),
            "f.yaml:2:8: spare must be a mapping, but is a list.");
  EXPECT_EQ(error_of("owner: ann\nspare:\n  left: {spokes: 0}\n"),
            "f.yaml:3:18: spare.left.spokes is 0, but must be 1 to 100.");
  EXPECT_EQ(error_of("- owner\n"), "f.yaml:1:1: cart must be a mapping, but is a list.");
  EXPECT_EQ(error_of("owner: ann\ncovered: true\nwheels: 2\n"),
            "f.yaml:3:9: cart is covered and needs four wheels.");
}

TEST(Schema, WritesOnlyWhatDiffersFromTheDefaults) {
  EXPECT_EQ(to_yaml(*cart_schema().write(read("owner: ann\nwheels: 4\nshare: 0.25\n"))),
            "owner: ann\nshare: 0.25\n");
}

std::string model_error(const std::string& change) {
  std::string text = read_text_file(TOLLGATE_REPOSITORY "/models/llm/Mixtral-8x7B.yaml", 1 << 20);
  try {
    const auto root = parse_yaml(text, "m.yaml");
    apply_override(*root, change);
    std::erase_if(root->entries, [](const auto& e) { return e.key == "schema_version"; });
    model_schema().read(*root, "");
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(ModelSchema, ChecksAcrossFields) {
  EXPECT_THAT(model_error("ffn.moe.top_k=9"),
              HasSubstr("top_k is 9, but the model has 8 experts."));
  EXPECT_THAT(model_error("ffn.moe.router.groups=3"), HasSubstr("does not divide the 8 experts"));
  EXPECT_THAT(model_error("ffn.moe.router={groups: 4, groups_kept: 5}"),
              HasSubstr("but there are 4 groups"));
  EXPECT_THAT(model_error("ffn.moe.router={groups: 8, groups_kept: 8, group_value: top2_sum}"),
              HasSubstr("a group holds only one"));
  EXPECT_THAT(model_error("ffn.moe.router={groups: 4, groups_kept: 2, each_group: true}"),
              HasSubstr("chooses from all 4 groups"));
  EXPECT_THAT(model_error("ffn.moe.router={hash: true, bias: true}"),
              HasSubstr("goes with neither a bias nor groups"));
  EXPECT_THAT(model_error("ffn.moe.zero_experts=1020"), HasSubstr("has 1028 experts"));
  EXPECT_THAT(model_error("ffn.moe.router={groups: 8, groups_kept: 1}"),
              HasSubstr("too few for top_k 2"));
  EXPECT_THAT(model_error("attention.full.kv_heads=5"), HasSubstr("does not divide the 32 heads"));
  EXPECT_THAT(model_error("layers=[{attention: ful, ffn: moe}]"),
              HasSubstr("Did you mean 'full'?"));
  EXPECT_THAT(model_error("layers=[{repeat: 3000, attention: full, ffn: moe}]"),
              HasSubstr("1 to 2000"));
  EXPECT_THAT(
      model_error("layers=[{repeat: 1500, attention: full}, {repeat: 1500, attention: full}]"),
      HasSubstr("more than 2000 layers"));
  EXPECT_THAT(model_error("layers=[]"), HasSubstr("has no layers"));
  EXPECT_THAT(model_error("layers=[{atention: full}]"), HasSubstr("Did you mean 'attention'?"));
  EXPECT_THAT(model_error("mtp={attention: full}"), HasSubstr("lacks the required key 'modules'"));
  EXPECT_THAT(model_error("sources=[]"), HasSubstr("sources is empty"));
  EXPECT_THAT(model_error("hidden=-1"), HasSubstr("hidden is -1, but must be 1 to 16777216."));
}

TEST(ModelSchema, WantsItsVersion) {
  const auto error = [](const char* text) {
    try {
      check_schema_version(*parse_yaml(text, "f.yaml"));
    } catch (const InputError& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(error("name: x\n"), HasSubstr("lacks 'schema_version: 1'"));
  EXPECT_EQ(error("schema_version: 2\n"),
            "f.yaml:1:17: schema_version is 2, but this program reads version 1.");
  EXPECT_EQ(error("schema_version: 1\n"), "nothing was thrown");
}

}  // namespace
}  // namespace tollgate
