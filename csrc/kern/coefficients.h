/* Made by coefficients.py; lowest degree first. */

/* -2 log(1 + s) / s on [-1/2, 0]: relative error 2^-25.31 */
static const float NEG2LOG1P_F32[9] = {-0x1p+1f,        0x1.fffecp-1f,   -0x1.55a384p-1f,
                                       0x1.f313e6p-2f,  -0x1.0df6cep-1f, -0x1.7228bap-2f,
                                       -0x1.355026p+1f, -0x1.a39984p+1f, -0x1.6a0f7cp+1f};

/* -2 log(1 + s) / s on [-1/2, 0]: relative error 2^-56.09 */
static const double NEG2LOG1P_F64[21] = {-0x1p+1,
                                         0x1.fffffffffff79p-1,
                                         -0x1.5555555560ec1p-1,
                                         0x1.fffffff4cae42p-2,
                                         -0x1.99999c5da9e5ep-2,
                                         0x1.5554ec3056bffp-2,
                                         -0x1.249c99ab1303bp-2,
                                         0x1.fe94d5cac55a4p-3,
                                         -0x1.d955293b65877p-3,
                                         0x1.d41200b3da7fdp-4,
                                         -0x1.a06d8a8022f96p-1,
                                         -0x1.b7b4f576c7133p+1,
                                         -0x1.02bc22981efeap+4,
                                         -0x1.bbf41f21a01eap+5,
                                         -0x1.2d22d464d92dbp+7,
                                         -0x1.395fdb7b11031p+8,
                                         -0x1.ee69dac03b9dfp+8,
                                         -0x1.1d8ae911fa276p+9,
                                         -0x1.c9b44624a1e21p+8,
                                         -0x1.c81af1a91cfc8p+7,
                                         -0x1.af94bcb63e3ffp+5};

/* sin(pi/4 y) / y in z = y y on [0, 1]: relative error 2^-27.89 */
static const float SINE_F32[4] = {0x1.921fb6p-1f, -0x1.4abbbep-4f, 0x1.465facp-9f, -0x1.2db5d6p-15f};
static const float SINE_F32_REST = -0x1.777a5cp-26f; /* of the first */

/* sin(pi/4 y) / y in z = y y on [0, 1]: relative error 2^-57.02 */
static const double SINE_F64[7] = {0x1.921fb54442d18p-1,   -0x1.4abbce625be46p-4, 0x1.466bc67758c4bp-9,
                                   -0x1.32d2cce31bcd9p-15, 0x1.5078300314543p-22, -0x1.e3008f6fcdbaap-30,
                                   0x1.e3fbbb87ed504p-38};
static const double SINE_F64_REST = 0x1.1a62633145c07p-55; /* of the first */

/* cos(pi/4 y) in z = y y on [0, 1]: relative error 2^-31.09 */
static const float COSINE_F32[5] = {0x1p+0f, -0x1.3bd3ccp-2f, 0x1.03c1bp-6f, -0x1.55b2b6p-12f, 0x1.d4f7fp-19f};

/* cos(pi/4 y) in z = y y on [0, 1]: relative error 2^-61.47 */
static const double COSINE_F64[8] = {0x1p+0,
                                     -0x1.3bd3cc9be45dep-2,
                                     0x1.03c1f081b5a52p-6,
                                     -0x1.55d3c7e3bfe55p-12,
                                     0x1.e1f50675b1d6ep-19,
                                     -0x1.a6d1e238b012bp-26,
                                     0x1.f9c4ad838517ap-34,
                                     -0x1.b034494903599p-42};
